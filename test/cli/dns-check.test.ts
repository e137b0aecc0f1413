import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { main } from '../../src/main.ts'
import { recordIo } from '../helper/command-io.ts'

const call = async (args: readonly string[], stdin = '') => {
  const io = recordIo({ stdin })
  return { code: await main(['dns', ...args], io), ...io.written }
}

t.test('every problem comes with line, column and the line itself; the exit code is 2', async t => {
  const file = join(t.testdir(), 'Corefile')
  await writeFile(file, '.:53 {\n  errors\n  teapot\n\tforward . 1.2.3\n}\n')
  const { code, stdout } = await call(['check', file])
  t.equal(code, 2)
  t.equal(
    stdout,
    `${file}:3:3: error: unknown directive 'teapot'; --plugins lists those there are
      teapot
      ^
${file}:4:12: error: forward: 1.2.3 is neither an address, a host name nor a file
    \tforward . 1.2.3
    \t          ^
${file}: 2 errors, 0 warnings
`,
  )
})

t.test('a Corefile that is fine: ok, and no cluster was asked for', async t => {
  const text = '.:53 {\n errors\n kubernetes cluster.local\n whoami\n}\n'
  t.match(await call(['check', 'stdin'], text), { code: 0, stdout: 'stdin: ok\n' })
})

t.test('warnings alone: the exit code is 0', async t => {
  const { code, stdout } = await call(['check', 'stdin'], '.:53 {\n forward . 192.0.2.1\n}\n')
  t.equal(code, 0)
  t.match(stdout, /^stdin:2:2: warning: forward: .*add `errors`/)
  t.match(stdout, /stdin: 0 errors, 1 warning\n$/)
})

t.test('a file that is not there', async t => {
  t.match(await call(['check', '/nonexistent/Corefile']), {
    code: 2,
    stdout: /cannot be read: ENOENT/,
  })
})

t.test('what convert prints passes check', async t => {
  const map = `kind: ConfigMap
data:
  stubDomains: |
    {"acme.local": ["1.2.3.4:5353"]}
  upstreamNameservers: |
    ["8.8.8.8"]
`
  const { code, stdout } = await call(['convert', '--cluster-domain', 'corp.test.'], map)
  t.equal(code, 0)
  t.match(stdout, /kubernetes corp\.test in-addr\.arpa/)
  t.match(await call(['check', 'stdin'], stdout), { code: 0, stdout: 'stdin: ok\n' })
})

t.test('a ConfigMap that is wrong: line and field, exit code 2', async t => {
  const map = 'kind: ConfigMap\ndata:\n  upstreamNameservers: "[1]"\n'
  t.match(await call(['convert'], map), {
    code: 2,
    stdout: '',
    stderr: /stdin:3: data\.upstreamNameservers: 1 is not an address; use IP or IP:port/,
  })
})
