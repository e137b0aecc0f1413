import t from 'tap'
import type { Node, NodeAddress } from '#cluster/objects.ts'
import type { IpAddress } from '#net/ip.ts'
import { formatPrefix } from '#net/prefix.ts'
import { effectiveMode } from '../../../src/proxy/config/mode.ts'
import { nodeIPs } from '../../../src/proxy/config/node-ips.ts'
import { defaultConfig, type ProxyConfig } from '../../../src/proxy/config/schema.ts'
import { nodeNameFrom, settingsFrom } from '../../../src/proxy/config/to-settings.ts'

const nodeWith = (addresses: readonly NodeAddress[], labels = {}): Node => ({
  kind: 'Node',
  metadata: { name: 'node-a', namespace: '', labels },
  addresses,
  podCIDRs: [],
  taints: [],
  deleting: false,
})
const internal = (address: string): NodeAddress => ({ type: 'InternalIP', address })
const external = (address: string): NodeAddress => ({ type: 'ExternalIP', address })

const ip = (text: string) => text as IpAddress

const cases: readonly {
  title: string
  addresses?: readonly NodeAddress[]
  bind?: string
  want: readonly string[]
}[] = [
  {
    title: 'the first InternalIP is primary, the first of the other family secondary',
    addresses: [internal('192.0.2.1'), internal('192.0.2.2'), internal('fd00::1')],
    want: ['192.0.2.1', 'fd00::1'],
  },
  {
    title: 'InternalIPs come before ExternalIPs, whatever the order in the Node',
    addresses: [external('203.0.113.1'), internal('fd00::1'), { type: 'Hostname', address: 'a' }],
    want: ['fd00::1', '203.0.113.1'],
  },
  {
    title: 'what is no address is passed over; leading zeros are read',
    addresses: [internal('x'), internal('192.0.2.010')],
    want: ['192.0.2.10', '::1'],
  },
  {
    title: 'an IPv4-mapped address is an IPv4 one',
    addresses: [internal('::ffff:192.0.2.1'), internal('fd00::1')],
    want: ['192.0.2.1', 'fd00::1'],
  },
  { title: 'no Node: loopback', want: ['127.0.0.1', '::1'] },
  {
    title: 'no Node, IPv6 bind address: loopback, IPv6 first',
    bind: '::',
    want: ['::1', '127.0.0.1'],
  },
  { title: 'a Node without addresses: loopback', addresses: [], want: ['127.0.0.1', '::1'] },
  {
    title: 'a family without an address of the Node: loopback',
    addresses: [internal('192.0.2.1')],
    want: ['192.0.2.1', '::1'],
  },
  {
    title: 'no Node, a bind address: that one, and loopback of the other family',
    bind: '192.0.2.5',
    want: ['192.0.2.5', '::1'],
  },
  {
    title: 'a bind address replaces the one of its family and makes it primary',
    addresses: [internal('192.0.2.1'), internal('fd00::1')],
    bind: 'fd00::5',
    want: ['fd00::5', '192.0.2.1'],
  },
  {
    title: 'an unspecified bind address replaces nothing',
    addresses: [internal('192.0.2.1'), internal('fd00::1')],
    bind: '::',
    want: ['192.0.2.1', 'fd00::1'],
  },
]
for (const { title, addresses, bind = '0.0.0.0', want } of cases) {
  t.test(`node addresses: ${title}`, async t => {
    const node = addresses === undefined ? undefined : nodeWith(addresses)
    t.strictSame(nodeIPs(node, ip(bind)), want)
  })
}

const modes = ['iptables', 'ipvs', 'nftables'] as const

const settings = (fields: Partial<ProxyConfig>, node?: Node) => {
  const { clusterCIDRs, nodePortAddresses, ...rest } = settingsFrom(
    { ...defaultConfig(), ...fields },
    { nodeName: 'node-a', node, modes },
  )
  return {
    ...rest,
    clusterCIDRs: clusterCIDRs.map(formatPrefix),
    nodePortAddresses: nodePortAddresses.map(formatPrefix),
  }
}

t.test('the defaults: no detector, node ports on all addresses', async t => {
  t.strictSame(settings({}), {
    nodeName: 'node-a',
    families: [4, 6],
    mode: 'nftables',
    clusterCIDRs: [],
    masqueradeAll: false,
    nodePortAddresses: [],
    nodeIPs: ['127.0.0.1', '::1'],
    zone: undefined,
    ignoresExternalIPs: false,
    localhostNodePorts: true,
    tcpBeLiberal: false,
    masqueradeBit: 14,
    syncPeriodMs: 30_000,
    ipvs: {
      scheduler: 'rr',
      excludeCIDRs: [],
      strictARP: false,
      tcpTimeoutSeconds: 0,
      tcpFinTimeoutSeconds: 0,
      udpTimeoutSeconds: 0,
    },
  })
})

t.test(
  'a mode that is there is honoured, none and one that is not there mean nftables',
  async t => {
    for (const mode of modes) t.equal(settings({ mode }).mode, mode)
    t.equal(settings({ mode: '' }).mode, 'nftables')
    t.equal(effectiveMode({ mode: 'ipvs' }, ['nftables']), 'nftables')
  },
)

t.test('syncPeriod is that of the mode that was asked for; none is iptables', async t => {
  const { iptables, ipvs, nftables } = defaultConfig()
  const periods = {
    iptables: { ...iptables, syncPeriod: '10s' },
    ipvs: { ...ipvs, syncPeriod: '20s' },
    nftables: { ...nftables, syncPeriod: '1m0s' },
  }
  t.equal(settings({ ...periods, mode: '' }).syncPeriodMs, 10_000)
  t.equal(settings({ ...periods, mode: 'ipvs' }).syncPeriodMs, 20_000)
  t.equal(settings({ ...periods, mode: 'nftables' }).syncPeriodMs, 60_000)
})

t.test('the ipvs section: prefixes, and whole seconds', async t => {
  const { ipvs } = defaultConfig()
  const given = { ...ipvs, scheduler: 'sh', excludeCIDRs: ['10.0.0.0/8'], tcpTimeout: '15m0.9s' }
  t.match(settings({ ipvs: given }).ipvs, {
    scheduler: 'sh',
    excludeCIDRs: [{ address: '10.0.0.0', length: 8 }],
    tcpTimeoutSeconds: 900,
  })
})

t.test('pod traffic is told by what the detector says, and by that alone', async t => {
  const node = { ...nodeWith([]), podCIDRs: ['10.244.7.0/24', 'fd00:244:7::/64'] }
  const detectLocal = { bridgeInterface: 'cbr0', interfaceNamePrefix: 'veth' }
  const clusterCIDR = '10.244.0.0/16,fd00:244::/48'
  const detector = (detectLocalMode: ProxyConfig['detectLocalMode']) => {
    const { clusterCIDRs, podInterface } = settings(
      { clusterCIDR, detectLocal, detectLocalMode },
      node,
    )
    return { clusterCIDRs, podInterface }
  }
  t.strictSame(detector('ClusterCIDR'), {
    clusterCIDRs: ['10.244.0.0/16', 'fd00:244::/48'],
    podInterface: undefined,
  })
  t.strictSame(detector('NodeCIDR'), {
    clusterCIDRs: ['10.244.7.0/24', 'fd00:244:7::/64'],
    podInterface: undefined,
  })
  t.strictSame(detector('BridgeInterface'), {
    clusterCIDRs: [],
    podInterface: { name: 'cbr0', isPrefix: false },
  })
  t.strictSame(detector('InterfaceNamePrefix'), {
    clusterCIDRs: [],
    podInterface: { name: 'veth', isPrefix: true },
  })
})

t.test('conntrack.tcpBeLiberal is told to every mode', async t => {
  const conntrack = { ...defaultConfig().conntrack, tcpBeLiberal: true }
  for (const mode of modes) t.equal(settings({ conntrack, mode }).tcpBeLiberal, true, mode)
})

t.test('masqueradeAll is that of the mode', async t => {
  const { iptables, nftables } = defaultConfig()
  const set = { iptables: { ...iptables, masqueradeAll: true }, nftables }
  t.equal(settings({ ...set, mode: 'iptables' }).masqueradeAll, true)
  t.equal(settings({ ...set, mode: '' }).masqueradeAll, true)
  t.equal(settings({ ...set, mode: 'nftables' }).masqueradeAll, false)
  const other = { iptables, nftables: { ...nftables, masqueradeAll: true } }
  t.equal(settings({ ...other, mode: 'nftables' }).masqueradeAll, true)
  t.equal(settings({ ...other, mode: 'ipvs' }).masqueradeAll, false)
})

t.test('node port addresses: a list, primary, and what each mode does without', async t => {
  const node = nodeWith([internal('192.0.2.1'), internal('192.0.2.2'), internal('fd00::1')])
  const primary = ['192.0.2.1/32', 'fd00::1/128']
  t.strictSame(settings({ mode: 'nftables' }, node).nodePortAddresses, primary)
  t.strictSame(settings({ mode: 'iptables' }, node).nodePortAddresses, [])
  t.strictSame(settings({ mode: '' }, node).nodePortAddresses, [])
  const listed = { nodePortAddresses: ['primary'], mode: 'iptables' as const }
  t.strictSame(settings(listed, node).nodePortAddresses, primary)
  const cidrs = { nodePortAddresses: ['192.0.2.0/24'], mode: 'nftables' as const }
  t.strictSame(settings(cidrs, node).nodePortAddresses, ['192.0.2.0/24'])
})

t.test('primary without known addresses: loopback is left out, so all addresses', async t => {
  t.strictSame(settings({ mode: 'nftables' }).nodePortAddresses, [])
  const listed = { nodePortAddresses: ['primary'], mode: 'iptables' as const }
  t.strictSame(settings(listed, nodeWith([])).nodePortAddresses, [])
})

t.test("the zone is the Node's label", async t => {
  const label = (zone: string) => nodeWith([], { 'topology.kubernetes.io/zone': zone })
  t.equal(settings({}, label('z1')).zone, 'z1')
  t.equal(settings({}, label('')).zone, undefined)
})

t.test("the node's name: configured, else the host's in lower case", async t => {
  t.equal(nodeNameFrom(defaultConfig(), ' Host-1 '), 'host-1')
  t.equal(nodeNameFrom({ ...defaultConfig(), hostnameOverride: 'node-a' }, 'host-1'), 'node-a')
  t.equal(nodeNameFrom(defaultConfig(), ' '), '')
})
