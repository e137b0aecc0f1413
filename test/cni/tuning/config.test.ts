import t from 'tap'
import type { AttachmentRequest } from '#cni/spec/plugin.ts'
import { parseStdin } from '#cni/spec/request.ts'
import { type TuningConfig, tuningConfigFrom } from '#cni/tuning/config.ts'
import { requireAllowed } from '#cni/tuning/sysctl.ts'

type Case = {
  readonly title: string
  readonly fields: object | string
  readonly args?: string
  readonly ifname?: string
}

function configOf({ fields, args = '', ifname = 'eth0' }: Case): TuningConfig {
  const stdin = Buffer.from(typeof fields === 'string' ? fields : JSON.stringify(fields))
  const config = { cniVersion: '1.0.0', name: 'net', type: 'tuning', fields: parseStdin(stdin) }
  return tuningConfigFrom({
    config,
    args,
    ifname,
    raw: { stdin, env: {} },
  } as never as AttachmentRequest)
}

const mac = (digit: number) => `02:00:00:00:00:0${digit}`

const cases: readonly (Case & { readonly want: object })[] = [
  { title: 'nothing', fields: {}, want: { sysctls: [], link: {} } },
  {
    title: 'sysctls: dots and slashes, and the interface’s name, which may have dots',
    fields: { sysctl: { 'net.ipv4.conf.IFNAME.arp_notify': '1', 'net/core/somaxconn': '500' } },
    ifname: 'eth0.5',
    want: {
      sysctls: [
        { path: 'net/ipv4/conf/eth0.5/arp_notify', value: '1' },
        { path: 'net/core/somaxconn', value: '500' },
      ],
    },
  },
  {
    title: 'sysctls of args.cni, without and on top of the configured ones',
    fields: {
      sysctl: { 'net.core.somaxconn': '500', 'net.ipv4.ip_default_ttl': '9' },
      args: { cni: { sysctl: { 'net/core/somaxconn': '600' } } },
    },
    want: {
      sysctls: [
        { path: 'net/core/somaxconn', value: '600' },
        { path: 'net/ipv4/ip_default_ttl', value: '9' },
      ],
    },
  },
  {
    title: 'attributes of the link; false is a wish for allmulti',
    fields: { promisc: true, mtu: 1400, allmulti: false, txQLen: 0, mac: mac(1) },
    want: {
      link: {
        mac: mac(1),
        mtu: 1400,
        isPromiscuous: true,
        isAllMulticast: false,
        txQueueLength: 0,
      },
    },
  },
  {
    title: 'promisc false and mtu 0 are no wishes',
    fields: { promisc: false, mtu: 0 },
    want: { link: { mtu: undefined, isPromiscuous: undefined } },
  },
  {
    title: 'CNI_ARGS beat the field',
    fields: { mac: mac(1) },
    args: `MAC=${mac(2)}`,
    want: { link: { mac: mac(2) } },
  },
  {
    title: 'runtimeConfig beats CNI_ARGS',
    fields: { mac: mac(1), runtimeConfig: { mac: mac(3) } },
    args: `MAC=${mac(2)}`,
    want: { link: { mac: mac(3) } },
  },
  {
    title: 'args.cni beats runtimeConfig',
    fields: {
      mac: mac(1),
      runtimeConfig: { mac: mac(3) },
      args: { cni: { mac: mac(4), mtu: 1300 } },
      mtu: 1400,
    },
    want: { link: { mac: mac(4), mtu: 1300 } },
  },
]

for (const { want, ...each } of cases) {
  t.test(each.title, async t => {
    t.match(configOf(each), want)
  })
}

const refusals: readonly (Case & { readonly code: number; readonly want: RegExp })[] = [
  {
    title: 'another tree',
    fields: { sysctl: { 'kernel.panic': '1' } },
    code: 7,
    want: /^sysctl\.kernel\.panic: is no sysctl of the network/,
  },
  { title: 'only net', fields: { sysctl: { net: '1' } }, code: 7, want: /sysctl\.net: / },
  {
    title: 'a number',
    fields: { sysctl: { 'net.core.somaxconn': 5 } },
    code: 6,
    want: /sysctl\.net\.core\.somaxconn must be a string, not 5/,
  },
  { title: 'a list', fields: { sysctl: [] }, code: 6, want: /sysctl must be an object/ },
  {
    title: 'a key twice',
    fields: '{"sysctl":{"net.a":"1","net.a":"2"}}',
    code: 7,
    want: /sysctl\.net\.a: is written twice/,
  },
  {
    title: 'a key of args.cni twice',
    fields: '{"args":{"cni":{"sysctl":{"net.a":"1","net.a":"2"}}}}',
    code: 7,
    want: /args\.cni\.sysctl\.net\.a/,
  },
  { title: 'no MAC', fields: { mac: 'x' }, code: 7, want: /^mac: 'x' is not a MAC address/ },
  {
    title: 'no MAC of the runtime, although overridden',
    fields: { runtimeConfig: { mac: 'x' }, args: { cni: { mac: mac(1) } } },
    code: 7,
    want: /^runtimeConfig\.mac/,
  },
  { title: 'no MAC in CNI_ARGS', fields: {}, args: 'MAC=x', code: 4, want: /CNI_ARGS: MAC 'x'/ },
  { title: 'unknown CNI_ARGS', fields: {}, args: 'IP=1', code: 4, want: /unknown args IP/ },
  { title: 'a negative queue', fields: { txQLen: -1 }, code: 7, want: /^txQLen: -1/ },
  {
    title: 'a text for a switch',
    fields: { allmulti: 'yes' },
    code: 6,
    want: /allmulti must be true or false/,
  },
]

for (const { code, want, ...each } of refusals) {
  t.test(`refused: ${each.title}`, async t => {
    t.throws(() => configOf(each), { cniCode: code, message: want })
  })
}

t.test('no path leads out of net: dots are separators', async t => {
  const { sysctls } = configOf({ title: '', fields: { sysctl: { 'net/../../kernel/panic': '1' } } })
  t.match(sysctls, [{ path: 'net/kernel/panic' }])
})

t.test('an allowlist’s lines are unanchored regular expressions', async t => {
  const { sysctls } = configOf({
    title: '',
    fields: { sysctl: { 'net.core.somaxconn': '1', 'net.ipv4.conf.IFNAME.arp_notify': '1' } },
  })
  t.doesNotThrow(() => requireAllowed(sysctls, undefined))
  t.doesNotThrow(() =>
    requireAllowed(sysctls, 'somaxconn\n\n ^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$ '),
  )
  const message = /sysctl\.net\..*: is not on/
  t.throws(() => requireAllowed(sysctls, 'somaxconn\n'), { cniCode: 7, message })
  t.throws(() => requireAllowed(sysctls, ''), { cniCode: 7, message })
  t.throws(() => requireAllowed(sysctls, '('), { cniCode: 7, message: /list of allowed/ })
})
