import t from 'tap'
import { TestApiServer } from './api-server.ts'

const watch = '/api/v1/nodes?watch=true'
const cases: readonly {
  title: string
  path: string
  method?: string
  accept?: string
  want: number
}[] = [
  { title: 'an unknown path', path: '/api/v1/node', want: 404 },
  { title: 'another method', path: '/api/v1/nodes', method: 'POST', want: 405 },
  { title: 'another format', path: '/api/v1/nodes', accept: 'text/html', want: 406 },
  { title: 'an unknown parameter', path: '/api/v1/nodes?limits=1', want: 400 },
  { title: 'a limit that is no number', path: '/api/v1/nodes?limit=x', want: 400 },
  { title: 'a list from a version', path: '/api/v1/nodes?resourceVersion=1', want: 400 },
  { title: 'an unknown continue token', path: '/api/v1/nodes?continue=x', want: 410 },
  { title: 'a watch without version', path: `${watch}&timeoutSeconds=9`, want: 400 },
  { title: 'a watch without end', path: `${watch}&resourceVersion=1000`, want: 400 },
  { title: 'a watch in pages', path: `${watch}&limit=5&resourceVersion=1000`, want: 400 },
  { title: 'no token', path: '/api/v1/nodes', want: 401 },
]
for (const { title, path, method = 'GET', accept = 'application/json', want } of cases) {
  t.test(`the test server refuses ${title}`, async t => {
    await using server = await TestApiServer.start(want === 401 ? { token: 'x' } : {})
    const response = await fetch(`${server.url}${path}`, { method, headers: { accept } })
    t.equal(response.status, want)
    t.match(await response.json(), { kind: 'Status', code: want })
  })
}
