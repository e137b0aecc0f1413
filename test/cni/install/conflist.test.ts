import t from 'tap'
import { lacksRanges, renderConflist, whyNoConflist, withRanges } from '#cni/install/conflist.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const podCidrs = ['10.244.1.0/24', 'fd00:244:1::/64'].map(text => parsePrefix(text) as IpPrefix)

t.test('a node of a cluster: its podCIDRs, no masquerading, hairpin for Services', async t => {
  const text = renderConflist({ podCidrs, mtu: 1450, plugins: ['bridge', 'host-local'] })
  t.match(JSON.parse(text), {
    name: 'nodeplane',
    plugins: [
      {
        type: 'bridge',
        isDefaultGateway: true,
        hairpinMode: true,
        ipMasq: false,
        mtu: 1450,
        ipam: { ranges: [[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd00:244:1::/64' }]] },
      },
    ],
  })
  t.equal(JSON.parse(text).plugins.length, 1)
  t.equal(whyNoConflist(text), undefined)
})

t.test('plugins that follow in the chain are there when we have them', async t => {
  const text = renderConflist({ podCidrs, mtu: undefined, plugins: ['bandwidth', 'portmap'] })
  const plugins = JSON.parse(text).plugins as { type: string; capabilities?: object }[]
  t.strictSame(plugins.slice(1), [
    { type: 'portmap', capabilities: { portMappings: true } },
    { type: 'bandwidth', capabilities: { bandwidth: true } },
  ])
  t.notOk(plugins[0] !== undefined && 'mtu' in plugins[0])
})

t.test("a node's ranges go where host-local has none", async t => {
  const hostLocal = { type: 'bridge', ipam: { type: 'host-local', dataDir: '/run/x' } }
  const own = { type: 'ptp', ipam: { type: 'host-local', subnet: '10.9.0.0/24' } }
  const plugins = [
    hostLocal,
    own,
    { type: 'bridge', ipam: { type: 'static' } },
    { type: 'portmap' },
  ]
  const filled = JSON.parse(withRanges(JSON.stringify({ name: 'pods', plugins }), podCidrs))
  const ranges = [[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd00:244:1::/64' }]]
  t.strictSame(filled.plugins[0], { ...hostLocal, ipam: { ...hostLocal.ipam, ranges } })
  t.strictSame(filled.plugins.slice(1), plugins.slice(1))
})

const refused: readonly { title: string; text: string; want: RegExp }[] = [
  { title: 'no JSON', text: '{', want: /JSON/ },
  { title: 'a list', text: '[]', want: /the list must be an object/ },
  { title: 'one plugin instead of a list', text: '{"name":"a","type":"bridge"}', want: /^plugins/ },
  { title: 'no name', text: '{"plugins":[{"type":"bridge"}]}', want: /^name/ },
  {
    title: 'a plugin without type',
    text: '{"name":"a","plugins":[{"type":"bridge"},{}]}',
    want: /plugins\[1\]\.type/,
  },
]
for (const { title, text, want } of refused) {
  t.test(`refused: ${title}`, async t => t.match(whyNoConflist(text), want))
}

t.test('only a list with host-local without ranges waits for those of the Node', t => {
  const list = (...plugins: object[]) => JSON.stringify({ name: 'n', plugins })
  t.ok(lacksRanges(list({ type: 'bridge', ipam: { type: 'host-local' } })))
  t.notOk(lacksRanges(list({ type: 'bridge', ipam: { type: 'host-local', subnet: '10.0.0.0/8' } })))
  t.notOk(lacksRanges(list({ type: 'bridge', ipam: { type: 'dhcp' } }, { type: 'portmap' })))
  t.end()
})
