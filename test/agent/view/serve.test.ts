import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { AgentUnreachableError, getView } from '#agent/view/client.ts'
import { forLocalBrowsers, viewRoutes } from '#agent/view/serve.ts'
import { startHttpSocket } from '#runtime/http-server.ts'

const views = {
  node: () => ({ node: 'a' }),
  service: async (query: URLSearchParams) =>
    query.get('name') === 'web' ? { name: 'web' } : undefined,
}
/** A path of a socket must be short. */
function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'view-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}
const request = (host: string | undefined) => ({
  method: 'GET',
  path: '/api/v1/node',
  host,
  query: new URLSearchParams(),
  text: async () => '',
})

t.test('a view is read through a socket that is root’s alone', async t => {
  const path = join(folderOf(t), 'sockets', 'agent.sock')
  await using _server = await startHttpSocket({ path, field: 'socket' }, viewRoutes(views))
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.strictSame(await getView(path, 'node'), { node: 'a' })
  t.strictSame(await getView(path, 'service?name=web'), { name: 'web' })
  t.equal(await getView(path, 'service?name=none'), undefined)
  t.equal(await getView(path, 'nonsense'), undefined)
})

t.test('an agent that is not there is one clear error', async t => {
  const error = await getView(join(folderOf(t), 'none.sock'), 'node').catch(
    (error: unknown) => error,
  )
  t.type(error, AgentUnreachableError)
  t.match(error, { message: /is nodeplane agent running\?/ })
})

t.test('the newest server has the path, and keeps it when an older one ends', async t => {
  const path = join(folderOf(t), 'agent.sock')
  const older = await startHttpSocket({ path, field: 'socket' }, viewRoutes(views))
  await using _newer = await startHttpSocket(
    { path, field: 'socket' },
    viewRoutes({ node: () => ({ node: 'newer' }) }),
  )
  await older[Symbol.asyncDispose]()
  t.strictSame(await getView(path, 'node'), { node: 'newer' })
})

t.test('a path that a killed process left is taken, and gone when its server ends', async t => {
  const path = join(folderOf(t), 'agent.sock')
  writeFileSync(path, '')
  const server = await startHttpSocket({ path, field: 'socket' }, viewRoutes(views))
  t.strictSame(await getView(path, 'node'), { node: 'a' })
  await server[Symbol.asyncDispose]()
  t.equal(statSync(path, { throwIfNoEntry: false }), undefined)
})

t.test('a folder that others may write is refused', async t => {
  const folder = folderOf(t)
  chmodSync(folder, 0o777)
  const path = join(folder, 'agent.sock')
  await t.rejects(startHttpSocket({ path, field: 'socket' }, {}), {
    message: /socket: .*writable for root alone/,
  })
})

t.test('a browser is answered that asks an address or localhost, and no other name', async t => {
  const handle = forLocalBrowsers(viewRoutes(views))
  for (const host of ['127.0.0.1:9155', '[::1]:9155', 'localhost', '10.0.0.1']) {
    t.match(await handle(request(host)), { status: 200 }, host)
  }
  for (const host of ['evil.example:9155', '127.0.0.1.evil.example', '', undefined]) {
    t.match(await handle(request(host)), { status: 403 }, `${host}`)
  }
})
