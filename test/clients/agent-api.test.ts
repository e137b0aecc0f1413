import t from 'tap'
import { AgentNode } from '../helper/agent-node.ts'
import { AgentProcess } from '../helper/agent-process.ts'
import {
  reachApiServer,
  resumeApiCluster,
  selectorsSeen,
  setEndpoints,
  setService,
  startApiCluster,
} from '../helper/api-cluster.ts'
import { eventually } from '../helper/eventually.ts'

// Once asked again with growing pauses, a server that is back is noticed within this.
const COME_BACK_MS = 30_000

const node = await AgentNode.create(t.testdir())
t.teardown(() => node[Symbol.asyncDispose]())
await reachApiServer(node.net.node)
let api = await startApiCluster()
t.teardown(() => api[Symbol.asyncDispose]())
const { port } = api
setService(api, 'web', '10.96.0.20')
setEndpoints(api, 'web', [node.server.ip4])
setService(api, 'gone', '10.96.0.21')
setEndpoints(api, 'gone', [node.server.ip4])
await node.configure({
  nodeName: 'node-a',
  cluster: { kubeconfig: await api.writeKubeconfig() },
  proxy: { config: 'kube-proxy.yaml' },
  dns: { corefile: 'Corefile' },
  log: { level: 'debug' },
})
const agent = await AgentProcess.start(node.net.node, { config: node.config })
t.teardown(() => agent[Symbol.asyncDispose]())

const answered = `web ${node.client.ip4}`
const isServed = async (name: string, clusterIP: string) =>
  (await node.addressOf(name)) === clusterIP && (await node.connect(clusterIP)) === answered
const isUnknown = async (name: string) => (await node.addressOf(name)) === 'NXDOMAIN'
/** How many Services each write to the kernel was about; undefined is all, compared. */
const syncs = () =>
  agent.log
    .filter(({ msg, family }) => family === 4 && ['synced', 'programmed'].includes(msg))
    .map(({ services }) => services)

t.test('each kind is read once; only the Node is selected', async t => {
  t.ok(await isServed('web', '10.96.0.20'))
  t.strictSame(selectorsSeen(api), [
    'EndpointSlice',
    'Namespace',
    'Node metadata.name=node-a',
    'Service',
    'ServiceCIDR',
  ])
  for (const kind of ['Service', 'EndpointSlice', 'Node', 'Namespace'] as const) {
    t.equal(api.seen(kind, 'list').length, 1, kind)
  }
})

t.test('changes reach the kernel and DNS', async t => {
  setService(api, 'new', '10.96.0.30')
  setEndpoints(api, 'new', [node.server.ip4])
  await eventually('the new name', async () => (await node.addressOf('new')) === '10.96.0.30')
  await eventually('its endpoint', () => isServed('new', '10.96.0.30'))
  setEndpoints(api, 'new', [])
  await eventually(
    'nobody to answer',
    async () => (await node.connect('10.96.0.30')) === 'ECONNREFUSED',
  )
  api.delete('Service', 'shop/new')
  await eventually('the end of the name', () => isUnknown('new'))
  t.ok(await isServed('web', '10.96.0.20'), 'the others are untouched')
})

t.test('410 on a watch: listed again, without a gap', async t => {
  const before = syncs().length
  api.compact()
  for (const kind of ['Service', 'EndpointSlice'] as const) api.failWatches(kind, 410, 'Expired')
  await eventually('a second list', () => api.seen('Service', 'list').length === 2)
  setService(api, 'after', '10.96.0.31')
  setEndpoints(api, 'after', [node.server.ip4])
  await eventually('the next change', () => isServed('after', '10.96.0.31'), COME_BACK_MS)
  t.ok(await isServed('web', '10.96.0.20'))
  t.strictSame(new Set(syncs().slice(before)), new Set([1]), 'only what changed was written')
})

t.test('while the server is away the last state serves; back, it is caught up', async t => {
  await api[Symbol.asyncDispose]()
  await eventually('it to be noticed', () => agent.loggedFrom(40).length > 0)
  t.ok(await isServed('web', '10.96.0.20'))
  t.ok(await isServed('gone', '10.96.0.21'))
  t.equal((await agent.get('/readyz')).status, 200)

  const before = syncs().length
  api = await resumeApiCluster(api, port)
  api.delete('Service', 'shop/gone')
  setService(api, 'meanwhile', '10.96.0.32')
  setEndpoints(api, 'meanwhile', [node.server.ip4])
  // What happened before it came back is forgotten: only a new list tells.
  api.compact()
  await eventually('what is new', () => isServed('meanwhile', '10.96.0.32'), COME_BACK_MS)
  await eventually('what is gone', () => isUnknown('gone'), COME_BACK_MS)
  t.ok(await isServed('web', '10.96.0.20'))
  t.ok(
    syncs()
      .slice(before)
      .every(services => typeof services === 'number'),
    'the rest was not written again',
  )
})

t.test('a token that is refused: the last state serves, and the log says so', async t => {
  api.token = 'another'
  api.dropConnections()
  const refusal = await eventually(
    'the refusal',
    () => agent.loggedFrom(40).find(line => JSON.stringify(line).includes('401')),
    COME_BACK_MS,
  )
  t.notMatch(JSON.stringify(refusal), /node-token/)
  t.ok(await isServed('web', '10.96.0.20'))
})
