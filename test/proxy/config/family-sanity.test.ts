import t from 'tap'
import { type IpAddress, type IpFamily, ipFamilies } from '#net/ip.ts'
import { familyProblems } from '../../../src/proxy/config/family-sanity.ts'
import { defaultConfig, type ProxyConfig } from '../../../src/proxy/config/schema.ts'

const NODE4 = '192.0.2.1' as IpAddress

const cases: readonly {
  title: string
  config?: Partial<ProxyConfig>
  families?: readonly IpFamily[]
  podCIDRs?: readonly string[]
  want: readonly (readonly [field: string, isFatal: boolean])[]
}[] = [
  { title: 'the defaults of nftables', want: [] },
  {
    title: 'no node port addresses, in the modes where that is all addresses',
    config: { mode: 'iptables' },
    want: [['nodePortAddresses', false]],
  },
  {
    title: 'node port addresses that leave a family open',
    config: { nodePortAddresses: ['192.0.2.0/24'] },
    want: [['nodePortAddresses', false]],
  },
  {
    title: 'node port addresses, one family',
    config: { nodePortAddresses: ['192.0.2.0/24'] },
    families: [4],
    want: [],
  },
  {
    title: 'clusterCIDR of the other family, dual stack',
    config: { clusterCIDR: 'fd00::/48' },
    want: [['clusterCIDR', false]],
  },
  {
    title: 'clusterCIDR of the other family on a node of one: nothing would count as pod traffic',
    config: { clusterCIDR: 'fd00::/48' },
    families: [4],
    want: [['clusterCIDR', true]],
  },
  {
    title: 'the same where another detector is used',
    config: { clusterCIDR: 'fd00::/48', detectLocalMode: 'BridgeInterface' },
    families: [4],
    want: [['clusterCIDR', false]],
  },
  {
    title: 'podCIDRs of the other family, in mode NodeCIDR',
    config: { detectLocalMode: 'NodeCIDR' },
    podCIDRs: ['fd00::/64'],
    want: [['spec.podCIDRs', true]],
  },
  {
    title: 'podCIDRs of the other family, in another mode',
    podCIDRs: ['fd00::/64'],
    want: [['spec.podCIDRs', false]],
  },
  {
    title: 'on a node of one family, addresses and prefixes of the other',
    config: {
      healthzBindAddress: '[::]:10256',
      metricsBindAddress: '[::1]:10249',
      ipvs: { ...defaultConfig().ipvs, excludeCIDRs: ['fd00::/8'] },
    },
    families: [4],
    want: [
      ['ipvs.excludeCIDRs', false],
      ['healthzBindAddress', false],
      ['metricsBindAddress', false],
    ],
  },
]
for (const { title, config, families = ipFamilies, podCIDRs = [], want } of cases) {
  t.test(title, async t => {
    const problems = familyProblems(
      { ...defaultConfig(), mode: 'nftables', ...config },
      { primary: NODE4, families, podCIDRs },
    )
    t.strictSame(
      problems.map(({ field, isFatal }) => [field, isFatal]),
      want,
    )
  })
}
