import { readFile } from 'node:fs/promises'
import t from 'tap'
import type { Wanted } from '#cluster/source.ts'
import { TestApiServer } from '../../helper/api-server.ts'
import { TestAuthority } from '../../helper/certificates.ts'
import { eventually } from '../../helper/eventually.ts'
import { RunningSource } from '../../helper/running-source.ts'

const nodes: Wanted = { Node: {} }
const apiVersion = 'client.authentication.k8s.io/v1'
const env = { PATH: process.env['PATH'] }

const answer = (status: Readonly<Record<string, unknown>>) =>
  JSON.stringify({ apiVersion, kind: 'ExecCredential', status })

/** A plugin that notes each run and answers with what lies in a file. */
async function plugin(folder: TestAuthority, first: string) {
  const command = await folder.write(
    'plugin',
    `#!/bin/sh\ncd "$(dirname "$0")"\necho "$GREETING $1 $KUBERNETES_EXEC_INFO" >> runs\ncat answer\n`,
    0o700,
  )
  await folder.write('runs', '')
  await folder.write('answer', first)
  const exec = {
    apiVersion,
    command,
    args: ['$(id); `id`'],
    env: [{ name: 'GREETING', value: 'hello' }],
    interactiveMode: 'Never',
    provideClusterInfo: true,
  }
  const runs = async () =>
    (await readFile(`${folder.folder}/runs`, 'utf8')).split('\n').filter(line => line !== '')
  return { exec, runs }
}

t.test('its token is used by all requests until the server refuses it', async t => {
  await using folder = await TestAuthority.create()
  await using server = await TestApiServer.start({ token: 'one' })
  const { exec, runs } = await plugin(folder, answer({ token: 'one' }))
  const kubeconfig = await server.writeKubeconfig({ user: { token: undefined, exec } })
  const wanted = { Node: {}, Service: {}, EndpointSlice: {} }
  await using source = await RunningSource.start({ kubeconfig, env }, wanted)
  const all = () =>
    (['Node', 'Service', 'EndpointSlice'] as const).every(kind => server.watchers(kind) === 1)
  await eventually('three watches', all)
  t.equal((await runs()).length, 1, 'requests at the same time share one run')
  const [run = ''] = await runs()
  t.ok(run.startsWith('hello $(id); `id` {'), 'arguments and environment, without a shell')
  t.match(JSON.parse(run.slice(run.indexOf('{'))), {
    kind: 'ExecCredential',
    apiVersion,
    spec: { interactive: false, cluster: { server: server.url } },
  })
  await folder.write('answer', answer({ token: 'two' }))
  server.token = 'two'
  for (const kind of ['Node', 'Service', 'EndpointSlice'] as const) server.endWatches(kind)
  await eventually('three watches again', all)
  t.strictSame(source.warnings(), [])
  t.equal((await runs()).length, 2, 'a refused credential is replaced once')
})

t.test('it runs again when its credential has expired', async t => {
  await using folder = await TestAuthority.create()
  await using server = await TestApiServer.start()
  const expirationTimestamp = '2026-01-01T00:00:10Z'
  const { exec, runs } = await plugin(folder, answer({ token: 'one', expirationTimestamp }))
  const kubeconfig = await server.writeKubeconfig({ user: { exec } })
  let nowMs = Date.parse('2026-01-01T00:00:00Z')
  const clock = { now: () => nowMs, monotonic: () => 0, sleep: async () => {} }
  const options = { clock, timing: { settleMs: 0 } }
  await using _source = await RunningSource.start({ kubeconfig, env }, nodes, options)
  await eventually('the watch', () => server.watchers('Node') === 1)
  nowMs += 9_000
  server.endWatches('Node')
  await eventually('a second watch', () => server.seen('Node', 'watch').length === 2)
  t.equal((await runs()).length, 1)
  nowMs += 1_000
  server.endWatches('Node')
  await eventually('a third watch', () => server.seen('Node', 'watch').length === 3)
  t.equal((await runs()).length, 2)
})

t.test('it may give a client certificate', async t => {
  await using authority = await TestAuthority.create()
  const { cert, key } = await authority.issue('server', 'IP:127.0.0.1')
  const tls = { cert, key, clientCa: authority.ca.cert }
  await using server = await TestApiServer.start({ tls })
  const client = await authority.issue('by plugin')
  const status = { clientCertificateData: client.cert, clientKeyData: client.key }
  const { exec } = await plugin(authority, answer(status))
  const cluster = { 'certificate-authority': authority.ca.certPath }
  const kubeconfig = await server.writeKubeconfig({ cluster, user: { exec } })
  await using source = await RunningSource.start({ kubeconfig, env }, nodes)
  await eventually('the sync', () => source.store.isSynced('Node'))
  t.equal(server.requests[0]?.certificateName, 'by plugin')
})

const failures: readonly { title: string; first: string; command?: string; want: RegExp }[] = [
  {
    title: 'is not installed',
    first: '',
    command: 'no-such-plugin',
    want: /\(install it\).*ENOENT/,
  },
  { title: 'fails', first: '', command: 'false', want: /exec plugin false: failed/ },
  { title: 'answers no JSON', first: 'token', want: /the answer of the exec plugin/ },
  { title: 'answers nothing', first: '{}', want: /answered nothing where client.authentication/ },
  {
    title: 'answers in another version',
    first: '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1"}',
    want: /v1beta1 where client.authentication.k8s.io\/v1 ExecCredential is due/,
  },
  { title: 'gives nothing', first: answer({}), want: /neither token nor certificate/ },
  {
    title: 'gives half a certificate',
    first: answer({ clientKeyData: 'x' }),
    want: /key without certificate/,
  },
]
for (const { title, first, command, want } of failures) {
  t.test(`a plugin that ${title} is tried again, and the log says why`, async t => {
    await using folder = await TestAuthority.create()
    await using server = await TestApiServer.start()
    const { exec } = await plugin(folder, first)
    const failing = { ...exec, command: command ?? exec.command, installHint: 'install it' }
    const kubeconfig = await server.writeKubeconfig({ user: { exec: failing } })
    await using source = await RunningSource.start({ kubeconfig, env }, nodes)
    const second = () => source.log.find(({ failures }) => failures === 2)
    t.match((await eventually('a second try', second))['reason'], want)
    t.equal(source.warnings().length, 1)
    t.equal(server.requests.length, 0)
  })
}
