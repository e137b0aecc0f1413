import fc from 'fast-check'
import t from 'tap'
import { formatPrefix } from '#net/prefix.ts'
import { membersOf } from '../../src/routes/members.ts'
import { node, prefix } from '../helper/routes.ts'

const own = node('a', ['192.0.2.1', '2001:db8::1'], ['10.244.1.0/24', 'fd00:244:1::/64'], 500)
const options = { nodeName: 'a', clusterCIDRs: [] }

/** `NODE ADDRESS PODCIDR` of all but the own node. */
const textsOf = (nodes: Parameters<typeof membersOf>[0], clusterCIDRs = options.clusterCIDRs) => {
  const { members, refusals } = membersOf([own, ...nodes], { ...options, clusterCIDRs })
  return {
    members: members
      .filter(each => each.node !== 'a')
      .map(
        each => `${each.node} ${each.address} ${each.pods && formatPrefix(each.pods.range.prefix)}`,
      ),
    refusals: refusals.map(each => `${each.node}: ${each.message}`),
  }
}

const taken: readonly {
  title: string
  nodes: Parameters<typeof membersOf>[0]
  want: readonly string[]
}[] = [
  {
    title: 'both families',
    nodes: [node('b', ['192.0.2.2', '2001:db8::2'], ['10.244.2.0/24', 'fd00:244:2::/64'])],
    want: ['b 192.0.2.2 10.244.2.0/24', 'b 2001:db8::2 fd00:244:2::/64'],
  },
  {
    title: 'a family without an address has no member',
    nodes: [node('b', ['192.0.2.2'], ['10.244.2.0/24', 'fd00:244:2::/64'])],
    want: ['b 192.0.2.2 10.244.2.0/24'],
  },
  {
    title: 'a node without podCIDR is one all the same: its address is inside the cluster',
    nodes: [node('b', ['192.0.2.2'], [])],
    want: ['b 192.0.2.2 undefined'],
  },
  {
    title: 'an InternalIP before an ExternalIP, the first of each',
    nodes: [
      {
        ...node('b', [], ['10.244.2.0/24']),
        addresses: [
          { type: 'Hostname', address: '192.0.2.9' },
          { type: 'ExternalIP', address: '203.0.113.2' },
          { type: 'InternalIP', address: '192.0.2.2' },
          { type: 'InternalIP', address: '192.0.2.3' },
        ],
      },
    ],
    want: ['b 192.0.2.2 10.244.2.0/24'],
  },
  {
    title: 'host bits are no matter',
    nodes: [node('b', ['192.0.2.2'], ['10.244.2.77/24'])],
    want: ['b 192.0.2.2 10.244.2.0/24'],
  },
  {
    title: 'a node that is being deleted counts until it is gone',
    nodes: [{ ...node('b', ['192.0.2.2'], ['10.244.2.0/24']), deleting: true }],
    want: ['b 192.0.2.2 10.244.2.0/24'],
  },
]
for (const { title, nodes, want } of taken) {
  t.test(title, async t => t.strictSame(textsOf(nodes), { members: want, refusals: [] }))
}

const refused: readonly { podCIDR: string; address?: string; want: RegExp }[] = [
  { podCIDR: '0.0.0.0/0', want: /b: podCIDR 0\.0\.0\.0\/0 is too large: at least \/8 is wanted/ },
  { podCIDR: '0.0.0.0/1', want: /too large/ },
  { podCIDR: '::/0', address: '2001:db8::2', want: /too large: at least \/16/ },
  { podCIDR: '2000::/3', address: '2001:db8::2', want: /too large/ },
  { podCIDR: '10.244.1.0/24', want: /shares addresses with node a \(podCIDR 10\.244\.1\.0\/24\)/ },
  { podCIDR: '10.244.1.128/25', want: /shares addresses with node a/ },
  { podCIDR: '10.244.0.0/16', want: /shares addresses with node a/ },
  { podCIDR: '192.0.2.0/25', address: '203.0.113.2', want: /shares addresses with node a \(192/ },
  { podCIDR: '203.0.113.0/24', address: '203.0.113.2', want: /holds the node's own address/ },
  { podCIDR: '127.0.0.0/16', want: /cannot be routed/ },
  { podCIDR: '224.1.0.0/16', want: /cannot be routed/ },
  { podCIDR: '169.254.0.0/24', want: /cannot be routed/ },
  { podCIDR: 'fe80::/64', address: '2001:db8::2', want: /cannot be routed/ },
  {
    podCIDR: '10.244.2.0/24',
    address: '192.0.2.1',
    want: /address 192\.0\.2\.1 belongs to node a/,
  },
  {
    podCIDR: '10.244.2.0/24',
    address: '10.244.1.9',
    want: /address 10\.244\.1\.9 belongs to node a/,
  },
  { podCIDR: '10.244.2.0/24', address: '127.0.0.1', want: /cannot be a next hop/ },
  { podCIDR: '10.244.2.0/24', address: '0.0.0.0', want: /cannot be a next hop/ },
  { podCIDR: 'fd00:244:2::/64', address: 'fe80::2', want: /cannot be a next hop/ },
]
for (const { podCIDR, address = '192.0.2.2', want } of refused) {
  t.test(`${podCIDR} at ${address} is refused, another node is not`, async t => {
    const { members, refusals } = textsOf([
      node('b', [address], [podCIDR]),
      node('c', ['192.0.2.3'], ['10.244.3.0/24']),
    ])
    t.strictSame(members, ['c 192.0.2.3 10.244.3.0/24'])
    t.equal(refusals.length, 1)
    t.match(refusals[0], want)
  })
}

t.test('a podCIDR that is none is refused; the rest of the node is of use', async t => {
  const nodes = [
    node('b', ['192.0.2.2'], ['10.244.2.0', 'rm -rf /', '10.244.2.0/24', '10.9.0.0/24']),
  ]
  const { members, refusals } = textsOf(nodes)
  t.strictSame(members, ['b 192.0.2.2 10.244.2.0/24'])
  t.strictSame(refusals, [
    'b: podCIDR "10.244.2.0" is no ADDRESS/LENGTH',
    'b: podCIDR "rm -rf /" is no ADDRESS/LENGTH',
    'b: podCIDR 10.9.0.0/24 is one more of IPv4',
  ])
})

t.test('of two nodes with one range the one that exists longer has it', async t => {
  const young = node('b', ['192.0.2.2'], ['10.244.2.0/24'], 200)
  const old = node('c', ['192.0.2.3'], ['10.244.2.0/24'], 100)
  for (const nodes of [
    [young, old],
    [old, young],
  ]) {
    t.strictSame(textsOf(nodes), {
      members: ['c 192.0.2.3 10.244.2.0/24'],
      refusals: ['b: podCIDR 10.244.2.0/24 shares addresses with node c (podCIDR 10.244.2.0/24)'],
    })
  }
})

t.test('of nodes that exist equally long, the first by name', async t => {
  const both = [
    node('c', ['192.0.2.3'], ['10.244.2.0/24']),
    node('b', ['192.0.2.2'], ['10.244.2.0/24']),
  ]
  t.strictSame(textsOf(both).members, ['b 192.0.2.2 10.244.2.0/24'])
})

t.test('the own node has its range, however young it is', async t => {
  const old = node('b', ['192.0.2.2'], ['10.244.1.0/24'], 1)
  t.strictSame(textsOf([old]).members, [])
})

t.test('with clusterCIDRs a range must lie in one of them', async t => {
  const nodes = [
    node('b', ['192.0.2.2'], ['10.244.2.0/24']),
    node('c', ['192.0.2.3'], ['10.99.0.0/24']),
    node('d', ['192.0.2.4'], ['10.0.0.0/8']),
  ]
  const { members, refusals } = textsOf(nodes, [
    prefix('10.244.0.0/16'),
    prefix('fd00::/16'),
  ] as never)
  t.strictSame(members, ['b 192.0.2.2 10.244.2.0/24'])
  t.match(refusals, [/c: podCIDR 10\.99\.0\.0\/24 lies outside of clusterCIDRs/, /d: .* outside/])
})

const anyNode = fc
  .record({
    name: fc.integer({ min: 0, max: 9 }),
    range: fc.integer({ min: 0, max: 5 }),
    length: fc.constantFrom(23, 24, 25),
    host: fc.integer({ min: 1, max: 6 }),
    createdMs: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ name, range, length, host, createdMs }) =>
    node(`n${name}`, [`192.0.2.${host}`], [`10.244.${range}.0/${length}`], createdMs),
  )

t.test('any order of the same nodes has the same members, and no two share an address', async t => {
  const nodes = fc.uniqueArray(anyNode, { selector: each => each.metadata.name, maxLength: 10 })
  fc.assert(
    fc.property(
      nodes.chain(list =>
        fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
      ),
      ([list, shuffled]) => {
        const first = membersOf([own, ...list], options)
        t.strictSame(membersOf([...shuffled, own], options), first)
        const { members } = first
        const ranges = members
          .filter(each => each.family === 4)
          .map(each => each.pods?.range.prefix.address)
        const addresses = members.map(each => each.address)
        return (
          new Set(addresses).size === addresses.length && new Set(ranges).size === ranges.length
        )
      },
    ),
    { numRuns: 200 },
  )
})

t.test('a thousand nodes and many rivals are told apart quickly', async t => {
  const many = Array.from({ length: 2_000 }, (_, index) =>
    node(
      `n${index}`,
      [`172.16.${index >> 8}.${index & 255}`],
      [`10.${(index >> 8) % 4}.${index & 255}.0/24`],
      index,
    ),
  )
  const { members, refusals } = membersOf([own, ...many], options)
  t.equal(members.length, 2 + 1024)
  t.equal(refusals.length, 2_000 - 1024)
})
