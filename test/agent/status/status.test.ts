import t from 'tap'
import { type StatusInput, statusOf } from '#agent/status/status.ts'
import { ageOf, count, share } from '#agent/status/words.ts'
import type { DnsView, NodeView, ServiceView } from '#agent/view/types.ts'

const NOW = 1_700_000_000_000
const node: NodeView = {
  node: 'node-a',
  version: '1.0.0',
  pid: 1,
  startedMs: NOW - 90_000,
  nowMs: NOW,
  ready: true,
  parts: [
    { part: 'cluster', ok: true },
    { part: 'routes', ok: true },
    { part: 'proxy', ok: true },
    { part: 'dns', ok: true },
    { part: 'cni', ok: true },
  ],
  cluster: {
    origin: 'https://10.0.0.1:6443',
    kinds: [
      { kind: 'Service', count: 1_200, synced: true },
      { kind: 'Node', count: 1, synced: true },
    ],
  },
  memoryBytes: 100 * 1024 * 1024,
  cpuSeconds: 1,
}
const web: ServiceView = {
  namespace: 'shop',
  name: 'web',
  type: 'ClusterIP',
  clusterIPs: ['10.96.0.1'],
  externalIPs: [],
  ports: [
    { name: 'http', protocol: 'TCP', port: 80, endpoints: 3, ready: 2 },
    { name: 'dns', protocol: 'UDP', port: 53, endpoints: 1, ready: 0 },
  ],
}
const dns: DnsView = {
  served: ['.:53'],
  queries: 1_000,
  rcodes: { NOERROR: 900, NXDOMAIN: 90, SERVFAIL: 10 },
  cache: { hits: 3, misses: 1, entries: 1 },
  upstreams: [{ address: '192.0.2.53:53', queries: 1 }],
  topNames: [],
  topClients: [],
}
const well: StatusInput = {
  node,
  services: [web, { ...web, name: 'db', clusterIPs: ['None'] }],
  dns,
  pods: [
    {
      pod: 'shop/p',
      containerId: 'c',
      interface: 'eth0',
      network: 'net',
      netns: '/n',
      addresses: ['10.4.0.2', 'fd00::2'],
    },
  ],
  routes: {
    mode: 'auto',
    mtu: 1450,
    nodes: [
      { node: 'node-a', podCIDRs: ['10.4.0.0/24'], addresses: ['192.0.2.1'], via: 'own' },
      { node: 'node-b', podCIDRs: ['10.4.1.0/24'], addresses: ['192.0.2.2'], via: 'route' },
      { node: 'node-c', podCIDRs: ['10.4.2.0/24'], addresses: ['198.51.100.3'], via: 'tunnel' },
      { node: 'node-d', podCIDRs: [], addresses: ['192.0.2.4'], via: 'none' },
    ],
  },
  incidents: [],
}
const linesOf = (input: StatusInput) =>
  statusOf(input).parts.map(({ part, severity, summary, reason }) =>
    [part, severity, summary, ...(reason === undefined ? [] : [reason])].join(' | '),
  )

t.test('a node that is well: counts for each part', t => {
  const status = statusOf(well)
  t.match(status, { node: 'node-a', severity: 'OK', upSeconds: 90, incidents: [] })
  t.strictSame(linesOf(well), [
    'cluster | OK | https://10.0.0.1:6443: 1,200 Services, 1 Node',
    'routes | OK | 3 other nodes, 1 by route, 1 by tunnel, MTU 1450',
    'proxy | OK | 2 service ports, 2 endpoints, 1 without a ready endpoint',
    'dns | OK | 1,000 queries, 75 % of outside names cached, 9 % NXDOMAIN, 1 upstream',
    'cni | OK | 1 interface, 2 addresses',
  ])
  t.end()
})

t.test('a part that says why not fails, and the node with it', t => {
  const parts = node.parts.map(each =>
    each.part === 'proxy' ? { ...each, ok: false, reason: 'no rules' } : each,
  )
  const status = statusOf({ ...well, node: { ...node, ready: false, parts } })
  t.equal(status.severity, 'FAIL')
  t.match(
    status.parts.find(({ part }) => part === 'proxy'),
    { severity: 'FAIL', reason: 'no rules' },
  )
  t.end()
})

t.test('what warns', t => {
  const warned = (input: Partial<StatusInput>) =>
    statusOf({ ...well, ...input })
      .parts.filter(({ severity }) => severity === 'WARN')
      .map(({ part, reason }) => `${part}: ${reason}`)
  const cluster = { ...node.cluster, staleSinceMs: NOW - 3_700_000 }
  t.strictSame(warned({ node: { ...node, cluster } }), [
    'cluster: of a snapshot that is 1h1m old: the source does not answer',
  ])
  const silent = { ...node.cluster, lastHeardMs: NOW - 20_000 }
  t.strictSame(warned({ node: { ...node, cluster: silent } }), [
    'cluster: does not answer for 20s: the last state is kept',
  ])
  t.strictSame(warned({ dns: { ...dns, rcodes: { NOERROR: 95, SERVFAIL: 5 } } }), [
    'dns: 5 % of the answers are SERVFAIL',
  ])
  t.strictSame(warned({ dns: { ...dns, rcodes: { SERVFAIL: 99 } } }), [], 'too few to say')
  const lost = { node: 'x', podCIDRs: ['10.4.9.0/24'], addresses: [], via: 'none', reason: 'far' }
  t.strictSame(warned({ routes: { mode: 'auto', nodes: [{ ...lost, via: 'none' }] } }), [
    'routes: no way to the pods of x: far',
  ])
  t.end()
})

t.test('an incident that goes on warns of its part; one that was put right does not', t => {
  const flushed = { atMs: NOW - 5_000, part: 'proxy', message: 'rules were flushed' } as const
  const severityWith = (healedMs?: number) =>
    statusOf({ ...well, incidents: [{ ...flushed, healedMs }] }).severity
  t.equal(severityWith(), 'WARN')
  t.equal(severityWith(NOW), 'OK')
  t.end()
})

t.test('the newest five incidents are shown', t => {
  const incidents = Array.from({ length: 7 }, (_, index) => ({
    atMs: index,
    part: 'dns' as const,
    message: `${index}`,
    healedMs: index,
  }))
  const shown = statusOf({ ...well, incidents }).incidents.map(({ message }) => message)
  t.strictSame(shown, ['2', '3', '4', '5', '6'])
  t.end()
})

t.test('words', t => {
  t.strictSame(
    [0, 59, 60, 200, 3_600, 25_260, 86_400 * 12 + 3_600].map(seconds => ageOf(seconds * 1_000)),
    ['0s', '59s', '1m', '3m20s', '1h', '7h1m', '12d1h'],
  )
  t.equal(count(1, 'query', 'queries'), '1 query')
  t.equal(count(2_000, 'query', 'queries'), '2,000 queries')
  t.equal(share(1, 3), '33 %')
  t.equal(share(0, 0), '0 %')
  t.end()
})
