import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import * as http from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import type { Wanted } from '#cluster/source.ts'
import { ConfigError } from '#runtime/error.ts'
import { TestApiServer } from '../../helper/api-server.ts'
import { TestAuthority } from '../../helper/certificates.ts'
import { eventually } from '../../helper/eventually.ts'
import { RunningSource } from '../../helper/running-source.ts'

const nodes: Wanted = { Node: {} }
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** A server with TLS whose client certificates the authority signs. */
async function secureServer(authority: TestAuthority, name = 'IP:127.0.0.1') {
  const { cert, key } = await authority.issue('server', name)
  return TestApiServer.start({ tls: { cert, key, clientCa: authority.ca.cert } })
}

const synced = (source: RunningSource) =>
  eventually('the sync', () => source.store.isSynced('Node'))
const reasonOf = (source: RunningSource) =>
  eventually('a warning', () => source.log.find(({ level }) => level >= 40)?.['reason'])

t.test('kubeconfig with embedded client certificate and authority', async t => {
  await using authority = await TestAuthority.create()
  await using server = await secureServer(authority)
  const client = await authority.issue('node-1')
  const kubeconfig = await server.writeKubeconfig({
    cluster: { 'certificate-authority-data': base64(authority.ca.cert) },
    user: {
      'client-certificate-data': base64(client.cert),
      'client-key-data': base64(client.key),
    },
  })
  await using source = await RunningSource.start({ kubeconfig }, nodes)
  await synced(source)
  t.equal(server.requests[0]?.certificateName, 'node-1')
})

t.test('endpoint with tls files; a renewed certificate is shown after a refusal', async t => {
  await using authority = await TestAuthority.create()
  await using server = await secureServer(authority)
  const client = await authority.issue('old')
  const tls = { cert: client.certPath, key: client.keyPath, ca: authority.ca.certPath }
  await using source = await RunningSource.start({ endpoint: server.url, tls }, nodes)
  await eventually('the watch', () => server.watchers('Node') === 1)
  const renewed = await authority.issue('new')
  await writeFile(client.certPath, renewed.cert)
  await writeFile(client.keyPath, renewed.key)
  server.inject('Node', 'watch', { status: 401 })
  server.endWatches('Node')
  await eventually('the new one', () => server.requests.at(-1)?.certificateName === 'new')
  t.strictSame(source.warnings(), [])
})

t.test('a server that another authority signed is refused', async t => {
  await using authority = await TestAuthority.create()
  await using other = await TestAuthority.create()
  await using server = await secureServer(authority)
  const kubeconfig = await server.writeKubeconfig({
    cluster: { 'certificate-authority': other.ca.certPath },
  })
  await using source = await RunningSource.start({ kubeconfig }, nodes)
  t.match(await reasonOf(source), /certificate/)
  t.equal(server.requests.length, 0)
})

t.test(
  'the name in the certificate is checked, by tls-server-name where that is given',
  async t => {
    await using authority = await TestAuthority.create()
    const { cert, key } = await authority.issue('server', 'DNS:api.example')
    await using server = await TestApiServer.start({ tls: { cert, key } })
    const cluster = { 'certificate-authority': authority.ca.certPath }
    {
      const kubeconfig = await server.writeKubeconfig({ cluster })
      await using source = await RunningSource.start({ kubeconfig }, nodes)
      t.match(await reasonOf(source), /IP: 127.0.0.1 is not in the cert's list/)
    }
    const kubeconfig = await server.writeKubeconfig({
      cluster: { ...cluster, 'tls-server-name': 'api.example' },
    })
    await using source = await RunningSource.start({ kubeconfig }, nodes)
    await synced(source)
  },
)

t.test('insecure-skip-tls-verify takes any certificate', async t => {
  await using authority = await TestAuthority.create()
  const { cert, key } = await authority.issue('server', 'DNS:elsewhere')
  await using server = await TestApiServer.start({ tls: { cert, key } })
  const kubeconfig = await server.writeKubeconfig({
    cluster: { 'insecure-skip-tls-verify': true },
  })
  await using source = await RunningSource.start({ kubeconfig }, nodes)
  await synced(source)
  t.strictSame(source.warnings(), [])
})

t.test('proxy-url: the connection is made through the proxy', async t => {
  await using authority = await TestAuthority.create()
  await using server = await secureServer(authority)
  const client = await authority.issue('node-1')
  const asked: string[] = []
  await using proxy = http.createServer()
  proxy.on('connect', (request: http.IncomingMessage, near) => {
    asked.push(request.url ?? '')
    const far = connect(server.port, '127.0.0.1', () => {
      near.write('HTTP/1.1 200 OK\r\n\r\n')
      near.pipe(far).pipe(near)
    })
    for (const socket of [near, far]) socket.on('error', () => near.destroy())
    near.on('close', () => far.destroy())
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  const kubeconfig = await server.writeKubeconfig({
    cluster: {
      'certificate-authority': authority.ca.certPath,
      'proxy-url': `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    },
    user: { 'client-certificate': client.certPath, 'client-key': client.keyPath },
  })
  await using source = await RunningSource.start({ kubeconfig }, nodes)
  await synced(source)
  t.equal(asked[0], `127.0.0.1:${server.port}`)
  t.equal(server.requests[0]?.certificateName, 'node-1')
})

t.test('in a pod: service account, its authority, and its token again after a 401', async t => {
  await using authority = await TestAuthority.create()
  const { cert, key } = await authority.issue('server', 'IP:127.0.0.1')
  await using server = await TestApiServer.start({ tls: { cert, key }, token: 'first' })
  await authority.write('token', 'first\n')
  await authority.write('ca.crt', await readFile(authority.ca.certPath, 'utf8'))
  const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: `${server.port}` }
  const connection = { env, serviceAccountFolder: authority.folder }
  await using source = await RunningSource.start(connection, nodes)
  await eventually('the watch', () => server.watchers('Node') === 1)
  await authority.write('token', 'second\n')
  server.token = 'second'
  server.endWatches('Node')
  await eventually('the new token', () => server.watchers('Node') === 1)
  t.strictSame(source.warnings(), [])
})

t.test('a token file is read again when it was read a minute ago', async t => {
  await using authority = await TestAuthority.create()
  await using server = await TestApiServer.start({ token: 'first' })
  const tokenFile = await authority.write('token', 'first')
  const kubeconfig = await server.writeKubeconfig({ user: { token: 'ignored', tokenFile } })
  let nowMs = 0
  const clock = { now: () => nowMs, monotonic: () => nowMs, sleep: async () => {} }
  const options = { clock, timing: { settleMs: 0 } }
  await using _source = await RunningSource.start({ kubeconfig }, nodes, options)
  await eventually('the watch', () => server.watchers('Node') === 1)
  await authority.write('token', 'second')
  nowMs = 60_000
  server.token = 'second'
  const before = server.requests.length
  server.endWatches('Node')
  await eventually('the new token', () => server.watchers('Node') === 1)
  t.strictSame(
    server.requests.slice(before).map(({ headers }) => headers.authorization),
    ['Bearer second'],
  )
})

t.test('401 that stays: one retry at most per try, told once', async t => {
  await using server = await TestApiServer.start({ token: 'right' })
  const kubeconfig = await server.writeKubeconfig({ user: { token: 'wrong' } })
  await using source = await RunningSource.start({ kubeconfig }, nodes)
  await eventually('four tries', () => server.requests.length >= 4)
  t.strictSame(source.warnings(), ['API server refuses our credentials; retrying'])
  server.token = 'wrong'
  await synced(source)
})

t.test('name and password', async t => {
  await using server = await TestApiServer.start()
  const kubeconfig = await server.writeKubeconfig({ user: { username: 'a', password: 'b:c' } })
  await using source = await RunningSource.start({ kubeconfig }, nodes)
  await synced(source)
  t.equal(server.requests[0]?.headers.authorization, `Basic ${base64('a:b:c')}`)
})

t.test('a kubeconfig and an endpoint: credentials of the one, address of the other', async t => {
  await using server = await TestApiServer.start({ token: 'x' })
  const kubeconfig = await server.writeKubeconfig({ cluster: { server: 'http://127.0.0.1:1' } })
  await using source = await RunningSource.start({ kubeconfig, endpoint: server.url }, nodes)
  await synced(source)
  t.equal(server.requests[0]?.headers.authorization, 'Bearer x')
})

t.test('the path of the server URL goes before the path of the API', async t => {
  await using server = await TestApiServer.start()
  await using source = await RunningSource.start({ endpoint: `${server.url}/k8s/c-1/` }, nodes)
  await eventually('a warning', () => source.warnings().length > 0)
  t.strictSame(source.warnings(), ['API server has no nodes; retrying'])
  t.equal(server.requests.length, 0, 'the test server has nothing below such a path')
})

t.test('outside of a pod, with nothing named, the error says what to name', async t => {
  await t.rejects(RunningSource.start({}, nodes), {
    constructor: ConfigError,
    message: /KUBERNETES_SERVICE_HOST.*kubeconfig.*endpoint.*manifests/,
  })
})

t.test('files that are not there are told at start', async t => {
  await t.rejects(RunningSource.start({ kubeconfig: '/nowhere/config' }, nodes), {
    message: /^\/nowhere\/config: cannot read: ENOENT/,
  })
  const env = { KUBERNETES_SERVICE_HOST: '::1', KUBERNETES_SERVICE_PORT: '443' }
  const connection = { env, serviceAccountFolder: '/nowhere' }
  await t.rejects(RunningSource.start(connection, nodes), { message: /nowhere/ })
})
