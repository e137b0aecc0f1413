import t from 'tap'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { type LayoutOptions, renderLayout } from '../../../src/proxy/nftables/layout.ts'
import { selectsLoopback } from '../../../src/proxy/nftables/localhost.ts'

const prefix = (text: string) => parsePrefix(text) as IpPrefix
const bySource = (text: string) => ({ by: 'source', prefix: prefix(text) }) as const
const byInterface = (name: string, isPrefix: boolean) =>
  ({ by: 'interface', name, isPrefix }) as const
const options = (fields: Partial<LayoutOptions> = {}): LayoutOptions => ({
  table: { family: 4, name: 'nodeplane' },
  detector: bySource('10.244.0.0/16'),
  masqueradeAll: false,
  nodePortAddresses: [],
  localhostNodePorts: false,
  dropInvalid: true,
  ...fields,
})

t.test('the whole table', async t => {
  t.matchSnapshot(renderLayout(options()).text, 'IPv4')
  const ip6 = options({
    table: { family: 6, name: 'nodeplane' },
    detector: bySource('fd00:244::/32'),
    localhostNodePorts: true,
    dropInvalid: false,
    nodePortAddresses: [prefix('fd00:50::1/128')],
  })
  t.matchSnapshot(renderLayout(ip6).text, 'IPv6')
})

const rules = (fields: Partial<LayoutOptions>) => renderLayout(options(fields)).text.split('\n')

const masquerades: readonly { title: string; fields: Partial<LayoutOptions>; want: string }[] = [
  { title: 'all of it', fields: { masqueradeAll: true }, want: 'masquerade fully-random' },
  {
    title: 'what is not from pods, by the network of the prefix',
    fields: { detector: bySource('10.244.1.1/16') },
    want: 'ip saddr 10.244.0.0/16 return',
  },
  {
    title: "what does not come in by the pods' interface",
    fields: { detector: byInterface('br0', false) },
    want: 'iifname "br0" return',
  },
  {
    title: 'what does not come in by an interface named like those of pods',
    fields: { detector: byInterface('cali', true) },
    want: 'iifname "cali*" return',
  },
  { title: 'nothing without a detector', fields: { detector: undefined }, want: '}' },
]
for (const { title, fields, want } of masquerades) {
  t.test(`masquerade to cluster IPs: ${title}`, async t => {
    const text = rules(fields)
    t.equal(text[text.indexOf('chain masquerade-cluster-ip {') + 1], want)
  })
}

const all = 'ip daddr != 127.0.0.0/8 fib daddr type local'
const nodePorts = [
  { title: 'none given: all', given: [], want: all },
  { title: 'everything given: all', given: ['10.0.0.0/8', '0.0.0.0/0'], want: all },
  {
    title: 'overlapping ones once, as nft demands',
    given: ['10.1.0.0/16', '10.0.0.0/8', '10.1.2.3/32', '192.0.2.1/24', '192.0.2.0/24'],
    want: `ip daddr { 10.0.0.0/8, 192.0.2.0/24 } ${all}`,
  },
]
for (const { title, given, want } of nodePorts) {
  t.test(`node port addresses: ${title}`, async t => {
    const rule = rules({ nodePortAddresses: given.map(prefix) }).find(r => r.includes('@nodeports'))
    t.equal(rule?.split(' meta priority set')[0], want)
  })
}

t.test('loopback is selected by a prefix in it or around it, or by none at all', async t => {
  const cases = [
    [4, [], true],
    [4, ['127.0.0.1/32'], true],
    [4, ['0.0.0.0/0'], true],
    [4, ['192.0.2.0/24'], false],
    [6, [], true],
    [6, ['::1/128'], true],
    [6, ['fd00::/8'], false],
  ] as const
  for (const [family, prefixes, want] of cases) {
    t.equal(selectsLoopback(prefixes.map(prefix), family), want, `IPv${family} ${prefixes.join()}`)
  }
})

t.test('node ports on loopback need a guard in IPv4: the kernel has one in IPv6', async t => {
  const guarded = (family: 4 | 6, localhostNodePorts: boolean) => {
    const table = { family, name: 'nodeplane' } as const
    return renderLayout(options({ table, detector: undefined, localhostNodePorts })).rules.has(
      'localnet-guard',
    )
  }
  t.strictSame([guarded(4, true), guarded(4, false), guarded(6, true)], [true, false, false])
})

t.test('the marker tells layouts apart', async t => {
  const marker = (fields: Partial<LayoutOptions> = {}) => renderLayout(options(fields)).marker
  t.equal(marker(), marker())
  t.not(marker(), marker({ masqueradeAll: true }))
})
