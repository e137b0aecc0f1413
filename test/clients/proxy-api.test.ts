import { once } from 'node:events'
import t from 'tap'
import {
  reachApiServer,
  resumeApiCluster,
  selectorsSeen,
  setEndpoints,
  setService,
  startApiCluster,
  TOKEN,
} from '../helper/api-cluster.ts'
import { MAIN } from '../helper/build.ts'
import { eventually } from '../helper/eventually.ts'
import { Topology } from '../helper/topology.ts'
import { ask, serve } from '../helper/traffic.ts'

const COME_BACK_MS = 30_000

const net = await Topology.create(2)
t.teardown(() => net[Symbol.asyncDispose]())
const [server, client] = net.pods as [(typeof net.pods)[0], (typeof net.pods)[0]]
await serve(server.namespace, 'web', [8080])
await reachApiServer(net.node)
let api = await startApiCluster()
t.teardown(() => api[Symbol.asyncDispose]())
const { port } = api
setService(api, 'web', '10.96.0.20')
setEndpoints(api, 'web', [server.ip4])

async function startProxy(stderr: 'pipe' | 'ignore') {
  const args = ['--kubeconfig', await api.writeKubeconfig(), '--hostname-override', 'node-a']
  const stdio = ['ignore', 'inherit', stderr] as const
  return net.node.spawn(process.execPath, [MAIN, 'proxy', ...args], { stdio: [...stdio] })
}
const proxy = await startProxy('pipe')
let said = ''
proxy.stderr?.on('data', (chunk: Buffer) => {
  said += chunk.toString()
})

const connect = async (host: string) =>
  (await ask(client.namespace, { protocol: 'tcp', host, port: 80 }))[0]
const isServed = async (host: string) => (await connect(host)) === `web ${client.ip4}`

/** Takes a TCP port of the node until the result is called. */
async function holdPort(port: number): Promise<() => void> {
  const holder = net.node.spawn('ncat', ['-lk', '0.0.0.0', String(port)], { stdio: 'ignore' })
  await eventually('the port to be taken', () =>
    net.node.exec('ncat', ['-z', '127.0.0.1', String(port)]),
  )
  return () => holder.kill()
}

t.test("a kubeconfig with a token, and kube-proxy's selectors", async t => {
  await eventually('the Service to answer', () => isServed('10.96.0.20'), COME_BACK_MS)
  t.strictSame(selectorsSeen(api), [
    'EndpointSlice !service.kubernetes.io/headless',
    'Node metadata.name=node-a',
    'Service !service.kubernetes.io/service-proxy-name spec.clusterIP!=None',
    'ServiceCIDR',
  ])
  t.ok(api.requests.every(({ headers }) => headers.authorization === `Bearer ${TOKEN}`))
})

t.test('the cluster is told that it starts, as by kube-proxy', async t => {
  await eventually('the Event', () => api.events.length === 1)
  t.match(api.events, [
    {
      reason: 'Starting',
      action: 'StartKubeProxy',
      type: 'Normal',
      reportingController: 'kube-proxy',
      reportingInstance: 'kube-proxy-node-a',
      regarding: { kind: 'Node', name: 'node-a' },
    },
  ])
})

t.test(
  'a port for health checks that is taken is told about its Service; requests are counted',
  async t => {
    t.teardown(await holdPort(32100))
    api.set('Service', {
      metadata: { name: 'balanced', namespace: 'default' },
      spec: {
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: 32100,
        clusterIP: '10.96.0.60',
        clusterIPs: ['10.96.0.60'],
        ipFamilies: ['IPv4'],
        ports: [{ port: 80, protocol: 'TCP' }],
      },
    } as never)
    await eventually('the Event', () => api.events.length === 2)
    t.match(api.events[1], {
      reason: 'FailedToStartServiceHealthcheck',
      type: 'Warning',
      regarding: { kind: 'Service', namespace: 'default', name: 'balanced' },
    })
    const metrics = await net.node.exec('curl', ['-sS', 'http://127.0.0.1:10249/metrics'])
    t.match(metrics.stdout, /^rest_client_requests_total{code="201",method="POST",.*} [2-9]/m)
  },
)

/** What the health server says of the Node, and how. */
async function healthz() {
  const words = ['-sS', '-w', '\n%{http_code} %{content_type}', 'http://127.0.0.1:10256/healthz']
  const [body = '', how] = (await net.node.exec('curl', words)).stdout.split(/\n(?=\S+ \S+$)/)
  return { how, ...(JSON.parse(body) as { nodeEligible: boolean; healthy: boolean }) }
}

t.test('the Node as it was seen last counts for /healthz, though nobody asked then', async t => {
  const node = { metadata: { name: 'node-a' } }
  const deletions = () => said.split('the Node was deleted').length - 1
  api.delete('Node', 'node-a')
  await eventually('its deletion', () => deletions() === 1)
  t.match(await healthz(), { how: '200 application/json', nodeEligible: true, healthy: true })
  const taints = [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }]
  const moved = { addresses: [{ type: 'InternalIP', address: '192.168.50.9' }] }
  api.set('Node', { ...node, spec: { taints }, status: moved })
  await eventually('it to be back', () => /the Node's addresses changed/.test(said))
  api.delete('Node', 'node-a')
  await eventually('its second deletion', () => deletions() === 2)
  t.match(await healthz(), { how: '503 application/json', nodeEligible: false, healthy: true })
  api.set('Node', {
    ...node,
    status: { addresses: [{ type: 'InternalIP', address: net.nodeIp4 }] },
  })
  await eventually('the Node as it was', async () => (await healthz()).nodeEligible)
})

t.test('changes reach the kernel', async t => {
  setService(api, 'new', '10.96.0.30')
  setEndpoints(api, 'new', [server.ip4])
  await eventually('the new Service', () => isServed('10.96.0.30'))
  setEndpoints(api, 'new', [])
  await eventually('nobody to answer', async () => (await connect('10.96.0.30')) === 'ECONNREFUSED')
  t.ok(await isServed('10.96.0.20'))
})

t.test('the server goes and comes back', async t => {
  await api[Symbol.asyncDispose]()
  await eventually('it to be noticed', () => /"level":[45]0/.test(said))
  t.ok(await isServed('10.96.0.20'))
  api = await resumeApiCluster(api, port)
  setService(api, 'meanwhile', '10.96.0.32')
  setEndpoints(api, 'meanwhile', [server.ip4])
  api.compact()
  await eventually('what is new', () => isServed('10.96.0.32'), COME_BACK_MS)
  t.ok(await isServed('10.96.0.20'))
})

t.test('SIGTERM ends it with 0; the rules stay', async t => {
  const exit = once(proxy, 'exit')
  proxy.kill('SIGTERM')
  t.strictSame(await exit, [0, null])
  t.ok(await isServed('10.96.0.20'))
})

t.test('the cluster is told of servers whose ports are taken, and is served', async t => {
  for (const port of [10249, 10256]) t.teardown(await holdPort(port))
  const before = api.events.length
  const next = await startProxy('ignore')
  t.teardown(() => next.kill())
  const failures = () =>
    api.events.slice(before).filter(event => String(event['reason']).startsWith('Failed'))
  await eventually('the Events', () => failures().length === 2, COME_BACK_MS)
  const expected = ['FailedToStartMetricServer', 'FailedToStartProxierHealthcheck'].map(reason => ({
    reason,
    action: 'StartKubeProxy',
    type: 'Warning',
    note: /EADDRINUSE/,
    regarding: { kind: 'Node', name: 'node-a' },
  }))
  t.match(
    failures().toSorted((a, b) => (String(a['reason']) < String(b['reason']) ? -1 : 1)),
    expected,
  )
  setService(api, 'later', '10.96.0.33')
  setEndpoints(api, 'later', [server.ip4])
  await eventually('a new Service', () => isServed('10.96.0.33'), COME_BACK_MS)
})
