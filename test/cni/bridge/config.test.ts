import t from 'tap'
import { type BridgeConfig, bridgeConfigFrom } from '#cni/bridge/config.ts'
import { configObjectFrom } from '#cni/spec/config-object.ts'
import type { CniRequest } from '#cni/spec/plugin.ts'
import type { CniVersion } from '#cni/spec/version.ts'

/** A call with these fields besides what every configuration has. */
const request = (fields: object, args = '', cniVersion: CniVersion = '1.0.0'): CniRequest => ({
  verb: 'ADD',
  config: {
    cniVersion,
    name: 'net',
    type: 'bridge',
    prevResult: undefined,
    fields: configObjectFrom(fields),
  },
  args,
  pluginPath: [],
  raw: { stdin: Buffer.alloc(0), env: {} },
})

const defaults: BridgeConfig = {
  bridge: 'cni0',
  isGateway: false,
  isDefaultGateway: false,
  forceAddress: false,
  ipMasq: false,
  ipMasqBackend: 'nftables',
  mtu: undefined,
  hairpinMode: false,
  promiscMode: false,
  enabledad: false,
  disableContainerInterface: false,
  portIsolation: false,
  macspoofchk: false,
  vlans: undefined,
  ipamType: undefined,
  dns: undefined,
  mac: undefined,
}

const runtimeMac = { runtimeConfig: { mac: '02-00-00-00-00-0A' } }
const argsMac = { args: { cni: { mac: '02:00:00:00:00:0b' } } }
const dns = { nameservers: ['10.96.0.10'], domain: '', search: [], options: [] }

const accepted: readonly {
  title: string
  fields: object
  args?: string
  want: Partial<Record<keyof BridgeConfig, unknown>>
}[] = [
  { title: 'nothing: the defaults', fields: {}, want: {} },
  {
    title: 'empty and zero values: the defaults',
    fields: { bridge: '', mtu: 0, vlan: 0, vlanTrunk: [], ipam: {}, dns: {}, ipMasqBackend: '' },
    want: {},
  },
  { title: 'null is absent', fields: { bridge: null, isGateway: null, dns: null }, want: {} },
  {
    title: 'isDefaultGateway implies isGateway',
    fields: { isDefaultGateway: true, isGateway: false },
    want: { isDefaultGateway: true, isGateway: true },
  },
  {
    title: 'keys in any case',
    fields: { BRIDGE: 'br0', HairpinMode: true, ISGATEWAY: true, Mtu: 1400 },
    want: { bridge: 'br0', hairpinMode: true, isGateway: true, mtu: 1400 },
  },
  {
    title: 'every other field',
    fields: {
      forceAddress: true,
      ipMasq: true,
      ipMasqBackend: 'iptables',
      promiscMode: true,
      enabledad: true,
      portIsolation: true,
      preserveDefaultVlan: true,
      macspoofchk: true,
      ipam: { type: 'host-local' },
    },
    want: {
      forceAddress: true,
      ipMasq: true,
      ipMasqBackend: 'iptables',
      promiscMode: true,
      enabledad: true,
      portIsolation: true,
      macspoofchk: true,
      ipamType: 'host-local',
    },
  },
  {
    title: 'dns with any key set',
    fields: { dns: { nameservers: ['10.96.0.10'] } },
    want: { dns },
  },
  {
    title: 'a MAC of CNI_ARGS',
    fields: {},
    args: 'MAC=02:00:00:00:00:0c',
    want: { mac: '02:00:00:00:00:0c' },
  },
  {
    title: 'a MAC of args.cni beats CNI_ARGS',
    fields: argsMac,
    args: 'MAC=02:00:00:00:00:0c',
    want: { mac: '02:00:00:00:00:0b' },
  },
  {
    title: 'a MAC of runtimeConfig beats args.cni, and is written in lower case with colons',
    fields: { ...argsMac, ...runtimeMac },
    want: { mac: '02:00:00:00:00:0a' },
  },
  {
    title: "Kubernetes' own CNI_ARGS",
    fields: {},
    args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b',
    want: {},
  },
]

for (const { title, fields, args, want } of accepted) {
  t.test(`accepted: ${title}`, async t => {
    t.strictSame(bridgeConfigFrom(request(fields, args)), { ...defaults, ...want })
  })
}

const refused: readonly {
  title: string
  fields: object
  args?: string
  version?: CniVersion
  code: number
  message: RegExp
}[] = [
  { title: 'text for a truth value', fields: { isGateway: 'true' }, code: 6, message: /isGateway/ },
  { title: 'text for a number', fields: { mtu: '1400' }, code: 6, message: /mtu/ },
  {
    title: 'a wrong type of a field without effect',
    fields: { preserveDefaultVlan: 1 },
    code: 6,
    message: /preserveDefaultVlan/,
  },
  { title: 'a negative MTU', fields: { mtu: -1 }, code: 7, message: /mtu: -1/ },
  {
    title: 'a bridge name of 16 bytes',
    fields: { bridge: 'b'.repeat(16) },
    code: 7,
    message: /bridge/,
  },
  { title: 'a bridge name with a colon', fields: { bridge: 'a:b' }, code: 7, message: /'a:b'/ },
  { title: 'the bridge name ..', fields: { bridge: '..' }, code: 7, message: /'\.\.'/ },
  {
    title: "a gateway in a VLAN whose interface's name would be too long",
    fields: { bridge: 'bridge-of-pods', isGateway: true, vlan: 10 },
    code: 7,
    message: /bridge: .* bridge-of-pods\.10 is longer than 15 bytes/,
  },
  {
    title: 'another backend',
    fields: { ipMasqBackend: 'ebpf' },
    code: 7,
    message: /'ebpf' is neither/,
  },
  {
    title: 'a MAC that is none',
    fields: { runtimeConfig: { mac: '02:00' } },
    code: 7,
    message: /'02:00' is not a MAC/,
  },
  { title: 'unknown CNI_ARGS', fields: {}, args: 'COLOR=red', code: 4, message: /COLOR/ },
  {
    title: 'hairpin and promiscuous mode at once',
    fields: { hairpinMode: true, promiscMode: true },
    code: 7,
    message: /^cannot set hairpin mode and promiscuous mode at the same time$/,
  },
  {
    title: 'addresses for a disabled interface',
    fields: { disableContainerInterface: true, ipam: { type: 'host-local' } },
    code: 7,
    message: /disableContainerInterface/,
  },
  {
    title: 'layer 2 in version 0.2.0',
    fields: {},
    version: '0.2.0',
    code: 7,
    message: /0\.3\.0, not 0\.2\.0/,
  },
]

for (const { title, fields, args, version, code, message } of refused) {
  t.test(`refused: ${title}`, async t => {
    t.throws(() => bridgeConfigFrom(request(fields, args, version)), { cniCode: code, message })
  })
}
