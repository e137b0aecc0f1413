import t from 'tap'
import { type AttachmentState, type AttachmentWish, differences } from '#cni/bridge/compare.ts'
import type { BridgeConfig } from '#cni/bridge/config.ts'
import type { Link } from '#linux/netlink/link.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { type MacAddress, parseMac } from '#net/mac.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const ip = (text: string): IpAddress => parseIp(text) as IpAddress
const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix
const mac = parseMac('02:00:00:00:00:0a') as MacAddress

const config: BridgeConfig = {
  bridge: 'cni0',
  isGateway: true,
  isDefaultGateway: true,
  forceAddress: false,
  ipMasq: true,
  ipMasqBackend: 'nftables',
  mtu: undefined,
  hairpinMode: false,
  promiscMode: false,
  enabledad: false,
  disableContainerInterface: false,
  portIsolation: false,
  macspoofchk: false,
  vlans: undefined,
  ipamType: 'host-local',
  dns: undefined,
  mac: undefined,
}

const wish: AttachmentWish = {
  config,
  ifname: 'eth0',
  netns: '/run/netns/pod',
  result: {
    interfaces: [
      { name: 'cni0' },
      { name: 'veth1' },
      { name: 'eth0', mac: '02:00:00:00:00:0A', sandbox: '/run/netns/pod' },
    ],
    ips: [{ address: prefix('10.22.0.5/24'), gateway: ip('10.22.0.1'), interface: 2 }],
    routes: [{ dst: prefix('0.0.0.0/0'), gw: ip('10.22.0.1') }],
    dns: {},
  },
}

const link = (changes: Partial<Link>): Link => ({
  index: 1,
  name: 'link',
  mtu: 1500,
  isUp: true,
  isOperational: true,
  isPromiscuous: false,
  ...changes,
})

const state: AttachmentState = {
  bridge: link({ index: 5, name: 'cni0', kind: 'bridge' }),
  containerLink: link({ index: 2, name: 'eth0', kind: 'veth', mac }),
  hostLink: link({
    index: 6,
    name: 'veth1',
    masterIndex: 5,
    bridgePort: { hairpin: false, isolated: false },
  }),
  addresses: [
    {
      linkIndex: 2,
      prefix: prefix('10.22.0.5/24'),
      isGlobal: true,
      isTentative: false,
      isDuplicate: false,
    },
  ],
  routes: [
    { destination: prefix('10.22.0.0/24'), linkIndex: 2, gateways: [], table: 254 },
    { destination: prefix('0.0.0.0/0'), linkIndex: 2, gateways: [ip('10.22.0.1')], table: 254 },
  ],
  masqueraded: ['10.22.0.5'],
  vlans: [],
  spoofChecks: [],
}

const access = { id: 10, isPvid: true, isUntagged: true }
const trunk = { id: 20, isPvid: false, isUntagged: false }
const vlans = { access: 10, add: [access, trunk], leavesDefault: true }
const guards = ['guarded', 'allowed'].map(set => ({ set, key: '', comment: '' }))

const cases: readonly {
  title: string
  wish?: Partial<AttachmentWish>
  state?: Partial<AttachmentState>
  want: readonly string[]
}[] = [
  { title: 'all is well; MACs compare without regard to case', want: [] },
  {
    title: "addresses and routes of later plugins are nobody's business",
    wish: {
      result: {
        ...wish.result,
        interfaces: [...wish.result.interfaces, { name: 'bwp0' }],
        ips: [...wish.result.ips, { address: prefix('192.0.2.5/32'), interface: 3 }],
      },
    },
    want: [],
  },
  {
    title: 'a route that a later plugin moved to another table is there',
    state: { routes: state.routes.map((each, index) => ({ ...each, table: 254 - index })) },
    want: [],
  },
  {
    title: 'a route whose table is given must be in it',
    wish: {
      result: { ...wish.result, routes: [{ dst: prefix('0.0.0.0/0'), table: 100 }] },
    },
    want: ['route to 0.0.0.0/0 is missing'],
  },
  {
    title: 'the sandbox is another one',
    wish: { netns: '/proc/7/ns/net' },
    want: ['prevResult has no interface eth0 in /proc/7/ns/net'],
  },
  {
    title: 'everything is gone',
    state: {
      bridge: undefined,
      containerLink: undefined,
      hostLink: undefined,
      addresses: [],
      routes: [],
      masqueraded: [],
    },
    want: [
      'bridge cni0 is missing',
      'interface eth0 is missing in the container',
      'address 10.22.0.5/24 is missing',
      'route to 0.0.0.0/0 via 10.22.0.1 is missing',
      'IPv4 masquerading of 10.22.0.5 is missing',
    ],
  },
  {
    title: 'a bridge by the name of the configuration that the result does not know',
    wish: { config: { ...config, bridge: 'cni1' } },
    want: ['prevResult has no bridge cni1'],
  },
  {
    title: 'the peer is a link that the result does not know',
    state: { hostLink: link({ name: 'other', masterIndex: 5 }) },
    want: ['prevResult has no host interface other'],
  },
  {
    title: 'the port has other flags',
    wish: { config: { ...config, hairpinMode: true, portIsolation: true } },
    want: ['hairpin mode of veth1 is not true', 'veth1 is not isolated'],
  },
  {
    title: 'promiscuous mode is wanted and off',
    wish: { config: { ...config, promiscMode: true } },
    want: ['bridge cni0 is not promiscuous'],
  },
  {
    title: 'the VLANs of the port are as configured',
    wish: { config: { ...config, vlans } },
    state: { vlans: [access, trunk] },
    want: [],
  },
  {
    title: 'a VLAN is tagged otherwise, and the default one is still there',
    wish: { config: { ...config, vlans } },
    state: {
      vlans: [{ id: 1, isPvid: false, isUntagged: true }, access, { ...trunk, isPvid: true }],
    },
    want: ['veth1 in VLAN 20 is not as configured', 'veth1 in VLAN 1, which it should have left'],
  },
  {
    title: 'the port is guarded against foreign MACs',
    wish: { config: { ...config, macspoofchk: true } },
    state: { spoofChecks: guards },
    want: [],
  },
  {
    title: 'half of what guards the port is gone',
    wish: { config: { ...config, macspoofchk: true } },
    state: { spoofChecks: guards.slice(1) },
    want: ['the check of source MACs is missing'],
  },
  {
    title: 'promiscuous mode is on and not wanted',
    state: { bridge: link({ index: 5, name: 'cni0', kind: 'bridge', isPromiscuous: true }) },
    want: [],
  },
]

for (const { title, want, ...changes } of cases) {
  t.test(title, async t => {
    t.same(differences({ ...wish, ...changes.wish }, { ...state, ...changes.state }), want)
  })
}
