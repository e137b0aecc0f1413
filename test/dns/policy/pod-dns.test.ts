import fc from 'fast-check'
import t from 'tap'
import type { Pod, PodDnsConfig } from '#cluster/objects.ts'
import { type NodeDns, podDns } from '#dns/policy/pod-dns.ts'
import { parseResolvConf } from '#dns/policy/resolv-conf.ts'
import type { IpAddress } from '#net/ip.ts'

type TestPod = Parameters<typeof podDns>[0]

const ips = (...texts: readonly string[]) => texts as readonly IpAddress[]

const podWith = (fields: Partial<Pod> = {}): TestPod => ({
  metadata: { name: 'web', namespace: 'shop', labels: {} },
  dnsPolicy: 'ClusterFirst',
  hostNetwork: false,
  ...fields,
})

const configWith = (fields: Partial<PodDnsConfig>): PodDnsConfig => ({
  nameservers: [],
  searches: [],
  options: [],
  ...fields,
})

const nodeWith = ({ file, ...fields }: Partial<NodeDns> & { file?: string } = {}): NodeDns => ({
  clusterDns: ips('10.96.0.10'),
  clusterDomain: 'cluster.local',
  resolver: parseResolvConf(
    file ?? 'nameserver 192.0.2.53\nsearch corp.test\noptions timeout:2 rotate\n',
  ),
  nodeIPs: ips('192.0.2.1'),
  ...fields,
})

const resultOf = (pod: TestPod, node: NodeDns) => {
  const { nameservers, searches, options, warnings } = podDns(pod, node)
  const texts = (list: readonly { readonly value: string }[]) => list.map(({ value }) => value)
  return {
    nameservers: texts(nameservers),
    searches: texts(searches),
    options: texts(options),
    warnings: warnings.map(({ reason }) => reason),
  }
}

const clusterSearches = ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local']
type Result = ReturnType<typeof resultOf>
const empty: Result = { nameservers: [], searches: [], options: [], warnings: [] }
const cluster: Result = {
  nameservers: ['10.96.0.10'],
  searches: [...clusterSearches, 'corp.test'],
  options: ['ndots:5'],
  warnings: [],
}
const node: Result = {
  nameservers: ['192.0.2.53'],
  searches: ['corp.test'],
  options: ['timeout:2', 'rotate'],
  warnings: [],
}

t.test('the policy, hostNetwork and the cluster’s DNS decide where a pod asks', async t => {
  const table: readonly [policy: string, hostNetwork: boolean, want: Result][] = [
    ['None', false, empty],
    ['None', true, empty],
    ['ClusterFirst', false, cluster],
    ['ClusterFirst', true, node],
    ['ClusterFirstWithHostNet', false, cluster],
    ['ClusterFirstWithHostNet', true, cluster],
    ['Default', false, node],
    ['Default', true, node],
    ['Bogus', false, cluster],
    ['Bogus', true, cluster],
  ]
  for (const [dnsPolicy, hostNetwork, want] of table) {
    const pod = podWith({ dnsPolicy, hostNetwork })
    t.strictSame(resultOf(pod, nodeWith()), want, `${dnsPolicy}, hostNetwork ${hostNetwork}`)
  }
})

const cases: readonly {
  title: string
  pod?: Partial<Pod>
  node?: Partial<NodeDns> & { file?: string }
  want: Partial<Result>
}[] = [
  {
    title: 'cluster base: all cluster DNS addresses, in order',
    node: { clusterDns: ips('fd00::a', '10.96.0.10') },
    want: { ...cluster, nameservers: ['fd00::a', '10.96.0.10'] },
  },
  {
    title: 'cluster base: node searches equal to one of the cluster are not repeated',
    node: { file: 'search svc.cluster.local a.test a.test cluster.local.\n' },
    want: { ...cluster, searches: [...clusterSearches, 'a.test'] },
  },
  {
    title: 'cluster base: duplicates are told by exact text',
    node: { file: 'search Cluster.Local\n' },
    want: { ...cluster, searches: [...clusterSearches, 'Cluster.Local'] },
  },
  {
    title: 'cluster base, no cluster domain: the node searches as they are, duplicates too',
    node: { clusterDomain: '', file: 'search a.test a.test\n' },
    want: { ...cluster, searches: ['a.test', 'a.test'] },
  },
  {
    title: 'cluster base, empty resolvConf: no node searches, and no dot',
    node: { resolver: undefined },
    want: { ...cluster, searches: clusterSearches },
  },
  {
    title: 'no cluster DNS: the node base, with a warning',
    node: { clusterDns: [] },
    want: { ...node, warnings: ['MissingClusterDNS'] },
  },
  {
    title: 'no cluster DNS, ClusterFirstWithHostNet: the same',
    pod: { dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true },
    node: { clusterDns: [] },
    want: { ...node, warnings: ['MissingClusterDNS'] },
  },
  {
    title: 'no cluster DNS concerns only pods that want it',
    pod: { dnsPolicy: 'Default' },
    node: { clusterDns: [] },
    want: node,
  },
  {
    title: 'node base: duplicates are kept',
    pod: { dnsPolicy: 'Default' },
    node: { file: 'nameserver 192.0.2.1\nnameserver 192.0.2.1\nsearch a.test a.test\n' },
    want: { nameservers: ['192.0.2.1', '192.0.2.1'], searches: ['a.test', 'a.test'] },
  },
  {
    title: 'node base, empty file: nothing',
    pod: { dnsPolicy: 'Default' },
    node: { file: '' },
    want: {},
  },
  {
    title: 'node base, empty resolvConf: the loopback address of each node address',
    pod: { dnsPolicy: 'Default' },
    node: { resolver: undefined, nodeIPs: ips('fd00::1', '192.0.2.1') },
    want: { nameservers: ['::1', '127.0.0.1'], searches: ['.'] },
  },
  {
    title: 'node base, empty resolvConf, unknown node addresses: 127.0.0.1',
    pod: { dnsPolicy: 'Default' },
    node: { resolver: undefined, nodeIPs: [] },
    want: { nameservers: ['127.0.0.1'], searches: ['.'] },
  },
  {
    title: 'no cluster DNS and an empty resolvConf: the loopback form, with a warning',
    node: { clusterDns: [], resolver: undefined },
    want: { nameservers: ['127.0.0.1'], searches: ['.'], warnings: ['MissingClusterDNS'] },
  },
  {
    title: 'None: the dnsConfig alone',
    pod: {
      dnsPolicy: 'None',
      dnsConfig: configWith({
        nameservers: ['198.51.100.5'],
        searches: ['my.test'],
        options: [{ name: 'ndots', value: '1' }, { name: 'edns0' }],
      }),
    },
    want: {
      nameservers: ['198.51.100.5'],
      searches: ['my.test'],
      options: ['ndots:1', 'edns0'],
    },
  },
  {
    title: 'dnsConfig is appended to the cluster base, duplicates removed, the first kept',
    pod: {
      dnsConfig: configWith({
        nameservers: ['198.51.100.5', '10.96.0.10', '198.51.100.5'],
        searches: ['my.test', 'svc.cluster.local', 'corp.test.'],
      }),
    },
    want: {
      ...cluster,
      nameservers: ['10.96.0.10', '198.51.100.5'],
      searches: [...clusterSearches, 'corp.test', 'my.test', 'corp.test.'],
    },
  },
  {
    title: 'dnsConfig is appended to the node base too',
    pod: { dnsPolicy: 'Default', dnsConfig: configWith({ searches: ['my.test'] }) },
    want: { ...node, searches: ['corp.test', 'my.test'] },
  },
  {
    title: 'an empty dnsConfig still removes the duplicates of the node base',
    pod: { dnsPolicy: 'Default', dnsConfig: configWith({}) },
    node: { file: 'nameserver 192.0.2.1\nnameserver 192.0.2.1\nsearch a.test a.test\n' },
    want: { nameservers: ['192.0.2.1'], searches: ['a.test'] },
  },
  {
    title: 'options merge by name, the value of the pod wins',
    pod: {
      dnsConfig: configWith({
        options: [
          { name: 'ndots', value: '2' },
          { name: 'timeout', value: '1' },
          { name: 'timeout', value: '3' },
        ],
      }),
    },
    want: { ...cluster, options: ['ndots:2', 'timeout:3'] },
  },
  {
    title: 'an option without or with an empty value is the bare name',
    pod: {
      dnsConfig: configWith({ options: [{ name: 'ndots' }, { name: 'edns0', value: '' }] }),
    },
    want: { ...cluster, options: ['ndots', 'edns0'] },
  },
  {
    title: 'an empty value in the node file loses its colon only where a dnsConfig is merged',
    pod: { dnsPolicy: 'Default', dnsConfig: configWith({}) },
    node: { file: 'options ndots: a:b:c\n' },
    want: { options: ['ndots', 'a:b:c'] },
  },
  {
    title: 'without a dnsConfig the options of the node are untouched',
    pod: { dnsPolicy: 'Default' },
    node: { file: 'options ndots: a:b:c\n' },
    want: { options: ['ndots:', 'a:b:c'] },
  },
  {
    title: 'a colon in the name of an option is part of the name',
    pod: {
      dnsPolicy: 'None',
      dnsConfig: configWith({
        options: [{ name: 'a:b' }, { name: 'a', value: 'c' }, { name: 'a:b', value: 'd' }],
      }),
    },
    want: { options: ['a:b:d', 'a:c'] },
  },
  {
    title: 'four nameservers: the first three, with a warning',
    pod: {
      dnsConfig: configWith({ nameservers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'] }),
    },
    want: {
      ...cluster,
      nameservers: ['10.96.0.10', '192.0.2.1', '192.0.2.2'],
      warnings: ['DNSConfigForming'],
    },
  },
  {
    title: 'both kinds of cut: a warning each',
    pod: {
      dnsPolicy: 'None',
      dnsConfig: configWith({
        nameservers: ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'],
        searches: ['x'.repeat(254)],
      }),
    },
    want: {
      nameservers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
      warnings: ['DNSConfigForming', 'DNSConfigForming'],
    },
  },
]
for (const { title, pod, node: nodeFields, want } of cases) {
  t.test(title, async t => {
    t.strictSame(resultOf(podWith(pod), nodeWith(nodeFields)), { ...empty, ...want })
  })
}

t.test('every entry says where it came from', async t => {
  const pod = podWith({
    dnsConfig: configWith({
      nameservers: ['198.51.100.5'],
      searches: ['my.test'],
      options: [{ name: 'edns0' }],
    }),
  })
  const { nameservers, searches, options } = podDns(pod, nodeWith())
  const origins = (list: typeof nameservers) => list.map(({ origin }) => origin)
  t.strictSame(origins(nameservers), [
    { from: 'cluster-dns' },
    { from: 'pod', field: 'spec.dnsConfig.nameservers[0]' },
  ])
  t.strictSame(origins(searches), [
    { from: 'cluster-domain' },
    { from: 'cluster-domain' },
    { from: 'cluster-domain' },
    { from: 'node-file', line: 2 },
    { from: 'pod', field: 'spec.dnsConfig.searches[0]' },
  ])
  t.strictSame(origins(options), [
    { from: 'cluster-default' },
    { from: 'pod', field: 'spec.dnsConfig.options[0]' },
  ])
})

t.test('the missing cluster DNS is told to node and pod, a cut to the pod', async t => {
  const pod = podWith({
    dnsConfig: configWith({ nameservers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'] }),
  })
  const { warnings } = podDns(pod, nodeWith({ clusterDns: [] }))
  t.match(warnings, [
    { reason: 'MissingClusterDNS', on: ['node', 'pod'] },
    { reason: 'DNSConfigForming', on: ['pod'], message: /192\.0\.2\.3 \(at most 3 nameservers\)/ },
  ])
})

t.test('any pod and node: the limits hold and the first search stays the first', async t => {
  const suffix = fc.stringMatching(/^[a-z]{1,300}$/)
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.constantFrom('None', 'ClusterFirst', 'Default', 'ClusterFirstWithHostNet'),
        fc.array(suffix, { maxLength: 40 }),
        fc.array(fc.ipV4(), { maxLength: 5 }),
        (dnsPolicy, searches, nameservers) => {
          const pod = podWith({ dnsPolicy, dnsConfig: configWith({ searches, nameservers }) })
          const result = resultOf(pod, nodeWith())
          const joined = result.searches.join(' ')
          return (
            result.nameservers.length <= 3 &&
            result.searches.length <= 32 &&
            joined.length <= 2048 &&
            result.searches.every(search => search.length <= 253) &&
            (dnsPolicy !== 'ClusterFirst' || joined.startsWith(clusterSearches.join(' ')))
          )
        },
      ),
      { numRuns: 100 },
    ),
  )
})
