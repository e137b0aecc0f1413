import fc from 'fast-check'
import t from 'tap'
import { planGateway } from '#cni/bridge/plan.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix

const bridge = { bridge: 'cni0', forceAddress: false }

const gatewayCases: readonly {
  title: string
  wanted: readonly string[]
  present: readonly string[]
  add?: readonly string[]
  conflict?: string
}[] = [
  { title: 'an empty bridge', wanted: ['10.22.0.1/24'], present: [], add: ['10.22.0.1/24'] },
  { title: 'the address is there', wanted: ['10.22.0.1/24'], present: ['10.22.0.1/24'], add: [] },
  {
    title: "it is there among others, which are nobody's business",
    wanted: ['10.22.0.1/24'],
    present: ['10.22.0.1/24', '192.0.2.1/24'],
    add: [],
  },
  {
    title: 'another IPv4 address',
    wanted: ['10.22.0.1/24'],
    present: ['192.0.2.1/24'],
    conflict: '192.0.2.1/24',
  },
  {
    title: 'another length',
    wanted: ['10.22.0.1/24'],
    present: ['10.22.0.1/16'],
    conflict: '10.22.0.1/16',
  },
  {
    title: 'another IPv6 subnet',
    wanted: ['fd00:22::1/64'],
    present: ['fd00:33::1/64'],
    add: ['fd00:22::1/64'],
  },
  {
    title: 'an overlapping IPv6 subnet',
    wanted: ['fd00:22::1/64'],
    present: ['fd00:22::9/48'],
    conflict: 'fd00:22::9/48',
  },
  {
    title: 'the other family does not matter',
    wanted: ['fd00:22::1/64'],
    present: ['10.22.0.1/24'],
    add: ['fd00:22::1/64'],
  },
  {
    title: 'wanted addresses do not conflict with each other',
    wanted: ['10.22.0.1/24', '10.23.0.1/24'],
    present: ['10.22.0.1/24'],
    add: ['10.23.0.1/24'],
  },
]

for (const { title, conflict, ...texts } of gatewayCases) {
  t.test(`gateway: ${title}${conflict === undefined ? '' : ' is a conflict'}`, async t => {
    const wanted = texts.wanted.map(prefix)
    const present = texts.present.map(prefix)
    if (conflict === undefined) {
      t.same(planGateway(wanted, present, bridge), { remove: [], add: texts.add?.map(prefix) })
      return
    }
    t.throws(() => planGateway(wanted, present, bridge), {
      cniCode: 7,
      message: `"cni0" already has an IP address different from ${texts.wanted.join(', ')}: ${conflict}`,
    })
    t.same(planGateway(wanted, present, { ...bridge, forceAddress: true }), {
      remove: [prefix(conflict)],
      add: wanted,
    })
  })
}

t.test('gateway: what is done once needs not be done again', async t => {
  const anyPrefix = fc
    .tuple(fc.constantFrom('10.22.0.1', '10.22.7.9', '192.0.2.1'), fc.integer({ min: 1, max: 32 }))
    .map(([text, length]) => prefix(`${text}/${length}`))
  fc.assert(
    fc.property(fc.array(anyPrefix), fc.array(anyPrefix), (wanted, present) => {
      const { remove, add } = planGateway(wanted, present, { ...bridge, forceAddress: true })
      const after = [...present.filter(each => !remove.includes(each)), ...add]
      t.same(planGateway(wanted, after, bridge), { remove: [], add: [] })
    }),
  )
})
