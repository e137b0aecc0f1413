import t from 'tap'
import type { Link } from '#linux/netlink/link.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { examine } from '../../../src/agent/doctor/checks.ts'
import { parseNetwork } from '../../../src/agent/doctor/cni-network.ts'
import { parseSyncs } from '../../../src/agent/doctor/collect-agent.ts'
import { forwardFiles } from '../../../src/agent/doctor/collect-files.ts'
import { parseIptables } from '../../../src/agent/doctor/collect-firewalls.ts'
import type { CniNetwork, IptablesFacts, NodeFacts } from '../../../src/agent/doctor/facts.ts'

const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix

const link = (more: Partial<Link> & Pick<Link, 'index' | 'name'>): Link => ({
  mtu: 1500,
  isUp: true,
  isOperational: true,
  isPromiscuous: false,
  ...more,
})

const ourNetwork: CniNetwork = {
  file: '/etc/cni/net.d/10-nodeplane.conflist',
  name: 'nodeplane',
  types: ['bridge', 'portmap'],
  isOurs: true,
  bridge: 'cni0',
  mtu: undefined,
  hairpin: true,
  subnets: [prefix('10.244.1.0/24')],
}

const iptables = (text: string, more: Partial<IptablesFacts> = {}): IptablesFacts => ({
  family: 4,
  flavour: 'nft',
  ...parseIptables(text),
  ...more,
})

/** A node where all is well. */
const node = (more: Partial<NodeFacts> = {}): NodeFacts => ({
  wanted: {
    isConfigured: true,
    proxyMode: 'nftables',
    dns: true,
    cni: true,
    routes: 'auto',
    dnsAddresses: [],
  },
  links: [
    link({ index: 1, name: 'lo', mtu: 65536 }),
    link({ index: 2, name: 'eth0' }),
    link({ index: 3, name: 'cni0', kind: 'bridge' }),
    link({
      index: 4,
      name: 'veth1',
      kind: 'veth',
      masterIndex: 3,
      bridgePort: { hairpin: true, isolated: false },
    }),
  ],
  addresses: [
    {
      linkIndex: 2,
      prefix: prefix('192.0.2.1/24'),
      isGlobal: true,
      isTentative: false,
      isDuplicate: false,
    },
    {
      linkIndex: 3,
      prefix: prefix('10.244.1.1/24'),
      isGlobal: true,
      isTentative: false,
      isDuplicate: false,
    },
  ],
  routes: [{ destination: prefix('0.0.0.0/0'), linkIndex: 2, gateways: [] }],
  sysctls: new Map([
    ['net/ipv4/ip_forward', '1'],
    ['net/bridge/bridge-nf-call-iptables', '1'],
    ['net/bridge/bridge-nf-call-ip6tables', '1'],
  ]),
  features: [{ name: 'nftables', neededBy: 'proxy mode nftables', whyNot: undefined }],
  resolvers: [{ file: '/etc/resolv.conf', usedBy: 'default', nameservers: ['192.0.2.53'] }],
  networks: [ourNetwork],
  iptables: [],
  nftTables: ['ip nodeplane', 'ip6 nodeplane'],
  nftForward: [],
  agent: {
    nowSeconds: 1000,
    syncs: [{ family: 'IPv4', last: 10, queued: 9 }],
    url: 'http://x/metrics',
  },
  ...more,
})

const found = (facts: NodeFacts): readonly string[] =>
  examine(facts).flatMap(({ severity, id }) => (severity === 'OK' ? [] : [`${severity} ${id}`]))

const accepts = (rule: string) =>
  `*filter\n:FORWARD DROP [0:0]\n:CNI-FORWARD - [0:0]\n-A FORWARD -j CNI-FORWARD\n-A CNI-FORWARD ${rule}\nCOMMIT\n`

const flannel = link({ index: 9, name: 'flannel.1', kind: 'vxlan', mtu: 1450 })
const proxyChains = '*nat\n:KUBE-SERVICES - [0:0]\nCOMMIT\n'

const cases: readonly (readonly [title: string, facts: NodeFacts, want: readonly string[]])[] = [
  ['a node where all is well', node(), []],
  [
    'iptables drops, but accepts the pods (CNI firewall plugin)',
    node({ iptables: [iptables(accepts('-s 10.244.1.7/32 -j ACCEPT'))] }),
    [],
  ],
  [
    'iptables drops, but accepts what comes from the bridge, with a comment',
    node({
      iptables: [iptables(accepts('-i cni0 -m comment --comment "pods -j DROP" -j ACCEPT'))],
    }),
    [],
  ],
  [
    'iptables drops, and accepts only answers',
    node({ iptables: [iptables(accepts('-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'))] }),
    ['FAIL firewall-unknown'],
  ],
  [
    'iptables drops, and accepts only another bridge',
    node({ iptables: [iptables(accepts('-i docker0 -j ACCEPT'))] }),
    ['FAIL firewall-unknown'],
  ],
  [
    'the policy is ACCEPT, the last rule REJECT',
    node({
      iptables: [
        iptables(
          '*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j REJECT --reject-with icmp-host-prohibited\nCOMMIT\n',
        ),
      ],
    }),
    ['FAIL firewall-unknown'],
  ],
  [
    "ip6tables drops and pods have no IPv6: that is nobody's business here",
    node({ iptables: [iptables('*filter\n:FORWARD DROP [0:0]\nCOMMIT\n', { family: 6 })] }),
    [],
  ],
  [
    'firewalld trusts the bridge',
    node({
      nftForward: [
        {
          family: 'inet',
          table: 'firewalld',
          name: 'filter_FORWARD',
          hook: 'forward',
          policy: 'accept',
          rules: new Map([
            [
              'filter_FORWARD',
              ['jump filter_FWD_ZONES', 'reject with icmpx type admin-prohibited'],
            ],
            ['filter_FWD_ZONES', ['iifname "cni0" goto filter_FWD_trusted']],
          ]),
        },
      ],
    }),
    [],
  ],
  [
    "KUBE chains where our own mode is iptables, and the kubelet's anywhere",
    node({
      wanted: { ...node().wanted, proxyMode: 'iptables' },
      iptables: [
        iptables(proxyChains),
        iptables('*mangle\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n'),
      ],
    }),
    [],
  ],
  [
    'KUBE chains beside our nftables rules, without a configuration',
    node({
      wanted: { ...node().wanted, isConfigured: false },
      iptables: [iptables(proxyChains)],
    }),
    ['FAIL leftover-kube-proxy-iptables'],
  ],
  [
    'KUBE chains on a node that we do not run on yet',
    node({
      wanted: { ...node().wanted, isConfigured: false },
      nftTables: [],
      iptables: [iptables(proxyChains)],
    }),
    ['WARN leftover-kube-proxy-iptables'],
  ],
  [
    'flannel connects the nodes, by configuration: its link is no leftover',
    node({
      wanted: { ...node().wanted, cni: false, routes: undefined },
      links: [...node().links, flannel],
      networks: [
        { ...ourNetwork, isOurs: false, name: 'cbr0', types: ['flannel'], bridge: undefined },
      ],
    }),
    [],
  ],
  [
    'flannel was here before us',
    node({ links: [...node().links, { ...flannel, isUp: false }] }),
    ['FAIL leftover-network'],
  ],
  [
    'another configuration comes after ours',
    node({ networks: [ourNetwork, { ...ourNetwork, isOurs: false, file: '87-podman.conflist' }] }),
    ['WARN leftover-cni-config'],
  ],
  [
    'strict rp_filter with one way out',
    node({ sysctls: new Map([...node().sysctls, ['net/ipv4/conf/eth0/rp_filter', '1']]) }),
    ['WARN rp-filter'],
  ],
  [
    'strict for all, loose for the link: the greater value counts',
    node({
      sysctls: new Map([
        ...node().sysctls,
        ['net/ipv4/conf/all/rp_filter', '1'],
        ['net/ipv4/conf/eth0/rp_filter', '2'],
      ]),
    }),
    [],
  ],
  [
    'no br_netfilter',
    node({ sysctls: new Map([['net/ipv4/ip_forward', '1']]) }),
    ['FAIL bridge-netfilter'],
  ],
  [
    'a kernel without a feature',
    node({ features: [{ name: 'vxlan', neededBy: 'routes.mode vxlan', whyNot: 'unknown' }] }),
    ['FAIL kernel'],
  ],
  [
    'new pods get the MTU of the configuration, which does not fit the tunnel',
    node({
      networks: [{ ...ourNetwork, mtu: 1500 }],
      links: [
        ...node().links.map(each => (each.index < 3 ? each : { ...each, mtu: 1450 })),
        link({ index: 5, name: 'nodeplane-vx4', kind: 'vxlan', mtu: 1450 }),
      ],
    }),
    ['FAIL mtu-pods'],
  ],
  [
    'a stub resolver that nobody gives to pods on purpose',
    node({
      resolvers: [{ file: '/etc/resolv.conf', usedBy: 'default', nameservers: ['127.0.0.53'] }],
    }),
    ['WARN resolver-stub'],
  ],
  [
    'our DNS server asks the stub resolver of its own node: that works',
    node({
      resolvers: [{ file: '/etc/resolv.conf', usedBy: 'forward', nameservers: ['127.0.0.53'] }],
    }),
    [],
  ],
  [
    'our DNS server asks port 53 of its own node, which is itself',
    node({
      resolvers: [{ file: '/etc/resolv.conf', usedBy: 'forward', nameservers: ['127.0.0.1'] }],
    }),
    ['FAIL resolver-loop'],
  ],
  [
    'a sync is under way',
    node({ agent: { ...node().agent, syncs: [{ family: 'IPv4', last: 10, queued: 995 }] } }),
    [],
  ],
  [
    'there never was a sync',
    node({ agent: { ...node().agent, syncs: [{ family: 'IPv4', last: 0, queued: 900 }] } }),
    ['FAIL last-sync'],
  ],
]

for (const [title, facts, want] of cases) {
  t.test(title, async t => t.strictSame(found(facts), want))
}

t.test(
  'every finding that is not OK names a fix in one line, every check says something',
  async t => {
    for (const [title, facts] of cases) {
      const findings = examine(facts)
      for (const { severity, cause, fix = '' } of findings) {
        t.notMatch(cause + fix, '\n', title)
        t.equal(severity === 'OK', fix === '', title)
      }
      t.ok(findings.length >= 11)
    }
  },
)

t.test('what is read of files', async t => {
  t.strictSame(
    forwardFiles('.:53 {\n forward . /etc/resolv.conf 192.0.2.1 # /x\n}\n# forward . /y\n'),
    ['/etc/resolv.conf'],
  )
  t.equal(parseNetwork('a.conf', 'no json'), undefined)
  t.equal(parseNetwork('a.conf', '{"name":"x"}'), undefined, 'a plugin without type')
  t.match(parseNetwork('a.conf', '{"name":"x","type":"bridge","ipam":{"subnet":"10.1.0.0/16"}}'), {
    isOurs: false,
    bridge: 'cni0',
    subnets: [{ length: 16 }],
  })
  t.strictSame(
    parseSyncs(
      'kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} 1.5e9\nkubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} 7\n',
    ),
    [{ family: 'IPv4', last: 1.5e9, queued: 7 }],
  )
})
