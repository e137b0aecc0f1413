import t from 'tap'
import { isServiceChain } from '#proxy/service-chains.ts'
import { attachedPods, leftoversIn, type Seen } from '../../../src/cli/cleanup/leftovers.ts'

const nothing: Seen = {
  tables: [],
  chains: [],
  links: [],
  routes: [],
  live: [],
  gone: [],
  bridges: [],
  files: [],
  podFiles: [],
}
const partsOf = (seen: Partial<Seen>) =>
  leftoversIn({ ...nothing, ...seen }, isServiceChain).map(({ part, what }) => `${part}: ${what}`)

const program = 'iptables (nft)'
const chain = (table: string, name: string) => ({ program, table, chain: name })
const link = (name: string, kind?: string) => ({ name, kind, index: 1 })

const cases: readonly { title: string; seen: Partial<Seen>; want: readonly string[] }[] = [
  {
    title: 'tables of all parts, of both families, and those of kube-proxy',
    seen: {
      tables: [
        'ip nodeplane',
        'ip6 kube-proxy',
        'ip nodeplane_routes',
        'ip nodeplane-dns-addresses',
        'inet nodeplane_cni',
        'ip6 nodeplane_hostport',
      ],
    },
    want: [
      'services: table ip nodeplane',
      'kube-proxy: table ip6 kube-proxy',
      'routes: table ip nodeplane_routes',
      'names: table ip nodeplane-dns-addresses',
      'pods: table inet nodeplane_cni',
      'pods: table ip6 nodeplane_hostport',
    ],
  },
  { title: 'no tables of others', seen: { tables: ['ip nat', 'ip nodeplane2', 'ip x'] }, want: [] },
  {
    title:
      'chains by table and name: KUBE-FIREWALL is the kubelet’s, CNI-ADMIN the administrator’s',
    seen: {
      chains: [
        chain('nat', 'KUBE-SERVICES'),
        chain('nat', 'KUBE-SVC-4SW47YFZTEDKD3PK'),
        chain('filter', 'KUBE-FIREWALL'),
        chain('nat', 'CNI-HOSTPORT-DNAT'),
        chain('filter', 'CNI-ADMIN'),
        chain('nat', 'NODEPLANE-ROUTES'),
        chain('nat', 'POSTROUTING'),
      ],
    },
    want: [
      'kube-proxy: chain KUBE-SERVICES of iptables (nft) nat',
      'kube-proxy: chain KUBE-SVC-4SW47YFZTEDKD3PK of iptables (nft) nat',
      'pods: chain CNI-HOSTPORT-DNAT of iptables (nft) nat',
      'routes: chain NODEPLANE-ROUTES of iptables (nft) nat',
    ],
  },
  {
    title: 'tunnels, the dummy of IPVS, and bridges that our networks name',
    seen: {
      links: [
        link('nodeplane-vx4', 'vxlan'),
        link('kube-ipvs0', 'dummy'),
        link('cni0', 'bridge'),
        link('docker0', 'bridge'),
        link('eth0'),
      ],
      bridges: ['cni0', 'eth0'],
    },
    want: ['routes: link nodeplane-vx4', 'kube-proxy: link kube-ipvs0', 'pods: bridge cni0'],
  },
  {
    title: 'routes, attachments and files',
    seen: {
      routes: ['10.244.2.0/24'],
      live: ['pods a eth0'],
      gone: ['pods b eth0'],
      files: ['/run/nodeplane/mtu'],
      podFiles: ['/opt/cni/bin/bridge'],
    },
    want: [
      'routes: route 10.244.2.0/24',
      'pods: attachment pods b eth0, whose container has gone',
      'pods: attachment pods a eth0',
      'files: /run/nodeplane/mtu',
      'pods: /opt/cni/bin/bridge',
    ],
  },
]
for (const { title, seen, want } of cases) {
  t.test(title, async t => {
    t.strictSame(partsOf(seen), want)
  })
}

t.test(
  'pods that were attached without an agent are known by the ports of our bridges',
  async t => {
    const links = [
      { name: 'cni0', index: 5, kind: 'bridge' },
      { name: 'veth1', index: 6, kind: 'veth', masterIndex: 5 },
      { name: 'veth2', index: 7, kind: 'veth', masterIndex: 9 },
    ]
    t.equal(attachedPods({ ...nothing, links, bridges: ['cni0'] }), 1)
    t.equal(attachedPods({ ...nothing, links, bridges: [] }), 0)
    t.equal(attachedPods({ ...nothing, live: ['a', 'b'], links, bridges: ['cni0'] }), 2)
  },
)
