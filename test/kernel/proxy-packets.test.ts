import t from 'tap'
import type { EndpointSlice } from '#cluster/objects.ts'
import { SERVICE_NAME_LABEL } from '#cluster/objects.ts'
import type { IpFamily } from '#net/ip.ts'
import { parseIp } from '#net/ip.ts'
import { parsePrefix } from '#net/prefix.ts'
import { type ProxySettings, primaryNodePortAddresses } from '../../src/proxy/settings.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
import type { TestNamespace } from '../helper/namespace.ts'
import { ProxyProcess } from '../helper/proxy-process.ts'
import { Topology } from '../helper/topology.ts'
import { ask, serve } from '../helper/traffic.ts'

const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
const [podA, podB, client] = net.pods as [
  (typeof net.pods)[0],
  (typeof net.pods)[0],
  (typeof net.pods)[0],
]
await Promise.all([
  serve(podA.namespace, 'a', [8080, 9090]),
  serve(podB.namespace, 'b', [8080, 9191]),
  serve(net.node, 'node', [30081]),
])

const settings: ProxySettings = {
  nodeName: 'node-1',
  families: [4, 6],
  clusterCIDRs: ['10.244.0.0/16', 'fd00:244::/32'].map(text => parsePrefix(text) as never),
  masqueradeAll: false,
  nodePortAddresses: primaryNodePortAddresses(
    [net.nodeIp4, net.nodeIp6].map(text => parseIp(text) as never),
  ),
}

/** Slices in both families of one Service; endpoints are pods. */
function slices(
  name: string,
  ports: EndpointSlice['ports'],
  pods: readonly { ip4: string; ip6: string }[],
): readonly EndpointSlice[] {
  const labels = { [SERVICE_NAME_LABEL]: name }
  return [
    slice({ name: `${name}-4`, labels, ports, endpoints: pods.map(pod => endpoint(pod.ip4)) }),
    slice({
      name: `${name}-6`,
      labels,
      ports,
      addressType: 'IPv6',
      endpoints: pods.map(pod => endpoint(pod.ip6)),
    }),
  ]
}

const addresses = (number: number) => ({
  clusterIP: `10.96.0.${number}`,
  clusterIPs: [`10.96.0.${number}`, `fd00:96::${number}`],
  ipFamilies: [4, 6] as const,
})
const both = [
  servicePort({ name: 'tcp', protocol: 'TCP', port: 80, nodePort: 30080 }),
  servicePort({ name: 'udp', protocol: 'UDP', port: 80, nodePort: 30080 }),
]
const bothPorts = [
  { name: 'tcp', protocol: 'TCP', port: 8080 },
  { name: 'udp', protocol: 'UDP', port: 8080 },
] as const

const proxy = new ProxyProcess(net.node, settings)
proxy.set(
  service({ name: 'web', type: 'NodePort', ports: both, ...addresses(1) }),
  ...slices('web', bothPorts, [podA, podB]),
  service({ name: 'self', ports: both.map(p => ({ ...p, nodePort: 30082 })), ...addresses(2) }),
  ...slices('self', bothPorts, [podA]),
  service({ name: 'empty', ports: both.map(p => ({ ...p, nodePort: 30081 })), ...addresses(3) }),
  service({
    name: 'named',
    ports: [servicePort({ name: 'web', port: 80 }), servicePort({ name: 'admin', port: 81 })],
    ...addresses(4),
  }),
  service({ name: 'four', ports: both.map(p => ({ ...p, nodePort: 30083 })), ...addresses(5) }),
  ...slices('four', bothPorts, [podA]).slice(0, 1),
  ...slices(
    'named',
    [
      { name: 'admin', protocol: 'TCP', port: 9090 },
      { name: 'web', protocol: 'TCP', port: 8080 },
    ],
    [podA],
  ),
)

type Source = { readonly name: string; readonly namespace: TestNamespace }
const fromPod: Source = { name: 'a pod', namespace: client.namespace }
const fromNode: Source = { name: 'the node', namespace: net.node }
const fromOutside: Source = { name: 'outside', namespace: net.outside }
const bridge = (family: IpFamily) => (family === 4 ? net.bridgeIp4 : net.bridgeIp6)
const clusterIP = (number: number, family: IpFamily) =>
  family === 4 ? `10.96.0.${number}` : `fd00:96::${number}`
const nodeIP = (family: IpFamily) => (family === 4 ? net.nodeIp4 : net.nodeIp6)

t.test('nothing is written before both lists are complete', async t => {
  await t.rejects(net.node.exec('nft', ['list', 'table', 'ip', 'nodeplane']))
  proxy.sync()
  await proxy.programmed()
  await t.resolves(net.node.exec('nft', ['list', 'table', 'ip', 'nodeplane']))
})

for (const family of [4, 6] as const) {
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const { name, namespace } of [fromPod, fromNode, fromOutside]) {
      const what = `IPv${family} ${protocol} from ${name}`

      t.test(`${what}: the cluster IP reaches all endpoints`, async t => {
        const answers = await ask(namespace, { protocol, host: clusterIP(1, family), port: 80 }, 20)
        t.strictSame(new Set(answers.map(answer => answer.split(' ')[0])), new Set(['a', 'b']))
        // Masqueraded unless it comes from a pod (detector ClusterCIDR).
        const pod = family === 4 ? client.ip4 : client.ip6
        const source = name === 'a pod' ? pod : bridge(family)
        t.strictSame([...new Set(answers.map(answer => answer.split(' ')[1]))], [source])
      })

      t.test(`${what}: the node port reaches all endpoints, masqueraded`, async t => {
        const answers = await ask(namespace, { protocol, host: nodeIP(family), port: 30080 }, 20)
        t.strictSame([...new Set(answers)].sort(), [`a ${bridge(family)}`, `b ${bridge(family)}`])
      })

      for (const [where, host, port] of [
        ['cluster IP', clusterIP(3, family), 80],
        ['node port', nodeIP(family), 30081],
        ['unknown port of a cluster IP', clusterIP(1, family), 4444],
      ] as const) {
        t.test(`${what}: ${where} without endpoints is refused`, async t => {
          const refused = await ask(
            namespace,
            { protocol, host, port },
            protocol === 'tcp' ? 20 : 1,
          )
          t.strictSame([...new Set(refused)], ['ECONNREFUSED'])
        })
      }
    }

    t.test(`IPv${family} ${protocol}: a pod reaches itself through its Service`, async t => {
      for (const [host, port] of [
        [clusterIP(2, family), 80],
        [nodeIP(family), 30082],
      ] as const) {
        const answers = await ask(podA.namespace, { protocol, host, port }, 2)
        t.strictSame([...new Set(answers)], [`a ${bridge(family)}`])
      }
    })
  }

  t.test(`IPv${family}: ports are matched by name`, async t => {
    const host = clusterIP(4, family)
    const podIP = family === 4 ? client.ip4 : client.ip6
    for (const port of [80, 81]) {
      t.strictSame(await ask(client.namespace, { protocol: 'tcp', host, port }), [`a ${podIP}`])
    }
  })

  t.test(`IPv${family}: other addresses of the node do not answer on node ports`, async t => {
    // The bridge is not among the selected addresses: the node's own stack answers.
    const closed = { protocol: 'tcp', host: bridge(family), port: 30080 } as const
    t.strictSame(await ask(client.namespace, closed), ['ECONNREFUSED'])
    const open = { protocol: 'tcp', host: bridge(family), port: 30081 } as const
    t.match(await ask(client.namespace, open), [/^node /])
  })
}

t.test('a Service of both families with endpoints in one refuses in the other', async t => {
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const [host, port] of [
      [clusterIP(5, 6), 80],
      [nodeIP(6), 30083],
    ] as const) {
      t.strictSame(await ask(client.namespace, { protocol, host, port }), ['ECONNREFUSED'], host)
    }
    t.match(await ask(client.namespace, { protocol, host: clusterIP(5, 4), port: 80 }), [/^a /])
  }
})

t.test('connections spread evenly', async t => {
  const target = { protocol: 'tcp', host: clusterIP(1, 4), port: 80 } as const
  const answers = await ask(client.namespace, target, 400)
  const first = answers.filter(answer => answer.startsWith('a ')).length
  // Seven standard deviations of a fair coin.
  t.ok(first > 130 && first < 270, `${first} of 400 at the first of two`)
})

t.test('a stopped proxy leaves its rules', async t => {
  await proxy.stop('SIGTERM')
  const target = { protocol: 'tcp', host: clusterIP(2, 4), port: 80 } as const
  t.strictSame(await ask(client.namespace, target), [`a ${client.ip4}`])
})
