import fc from 'fast-check'
import t from 'tap'
import {
  allocate,
  type Holder,
  hasFree,
  heldBy,
  type Reservations,
} from '#cni/host-local/allocator.ts'
import { type RangeSet, rangeContains, rangeFrom } from '#cni/host-local/range.ts'
import type { IpAddress } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const range = (subnet: string, rangeStart?: string, rangeEnd?: string, gateway?: string) =>
  rangeFrom({
    path: 'test',
    subnet: parsePrefix(subnet) as IpPrefix,
    rangeStart: rangeStart as IpAddress | undefined,
    rangeEnd: rangeEnd as IpAddress | undefined,
    gateway: gateway as IpAddress | undefined,
  })
const holder = (containerId: string, ifname = 'eth0'): Required<Holder> => ({ containerId, ifname })
const ips = (...texts: string[]) => texts as IpAddress[]

/** A store in memory. */
class Memory {
  readonly holders = new Map<IpAddress, Holder>()
  lastReserved: IpAddress[] = []
  readonly sets: readonly RangeSet[]
  constructor(sets: readonly RangeSet[]) {
    this.sets = sets
  }
  add(who: Required<Holder>, requested: readonly IpAddress[] = []): readonly IpAddress[] {
    const allocations = allocate(this.sets, this, who, requested)
    this.lastReserved = allocations.map(({ ip }) => ip)
    for (const { ip } of allocations) this.holders.set(ip, who)
    return this.lastReserved
  }
  del(who: Required<Holder>): void {
    for (const ip of heldBy(this, who)) this.holders.delete(ip)
  }
}
const exhausted = {
  cniCode: 11,
  message: /no IP addresses available in range set: 10\.22\.0\.1-10\.22\.0\.6/,
}

t.test('round robin: an address given back rests as long as possible', async t => {
  const store = new Memory([[range('10.22.0.0/29')]])
  t.strictSame(
    ['a', 'b', 'c'].flatMap(id => store.add(holder(id))),
    ['10.22.0.2', '10.22.0.3', '10.22.0.4'],
  )
  store.del(holder('b'))
  t.strictSame(store.add(holder('d')), ['10.22.0.5'], 'not .3, which was just released')
  t.strictSame(store.add(holder('e')), ['10.22.0.6'], 'the last one: .7 is broadcast')
  t.strictSame(store.add(holder('f')), ['10.22.0.3'], 'past the gateway .1, and .2, which is taken')
  t.throws(() => store.add(holder('g')), exhausted)
  t.strictSame(store.lastReserved, ['10.22.0.3'])
  store.del(holder('a'))
  t.strictSame(store.add(holder('g')), ['10.22.0.2'])
})

t.test('the address reserved last is tried last, also when it was released', async t => {
  const store = new Memory([[range('10.22.0.0/30', undefined, undefined, '192.0.2.1')]])
  t.strictSame(store.add(holder('a')), ['10.22.0.1'], 'a gateway elsewhere leaves network + 1 free')
  store.del(holder('a'))
  t.strictSame(store.add(holder('a')), ['10.22.0.2'])
  t.strictSame(store.add(holder('b')), ['10.22.0.1'])
  store.del(holder('b'))
  t.strictSame(store.add(holder('b')), ['10.22.0.1'])
})

t.test('a set goes through its ranges in their order and round', async t => {
  const set = [
    range('10.1.0.0/24', '10.1.0.10', '10.1.0.11'),
    range('10.0.0.0/24', '10.0.0.1', '10.0.0.2'),
  ]
  const store = new Memory([set])
  t.strictSame(store.add(holder('a')), ['10.1.0.10'])
  t.strictSame(store.add(holder('b')), ['10.1.0.11'])
  t.strictSame(store.add(holder('c')), ['10.0.0.2'], '10.0.0.1 is the gateway')
  store.del(holder('a'))
  t.strictSame(store.add(holder('d')), ['10.1.0.10'])
})

t.test('one address of each set, in the order of the sets', async t => {
  const store = new Memory([[range('fd00::/64')], [range('10.0.0.0/24')]])
  t.strictSame(store.add(holder('a')), ['fd00::2', '10.0.0.2'])
})

for (const last of ['192.0.2.1', 'fd00::5', undefined]) {
  t.test(`a last reserved address ${last} that is not in the set is ignored`, async t => {
    const store = new Memory([[range('10.0.0.0/24')]])
    if (last !== undefined) store.lastReserved = ips(last)
    t.strictSame(store.add(holder('a')), ['10.0.0.2'])
  })
}

t.test(
  'every set takes the requested address that lies in it, the others go on by themselves',
  async t => {
    const store = new Memory([[range('10.0.0.0/24')], [range('fd00::/64')]])
    t.strictSame(store.add(holder('a'), ips('fd00::99')), ['10.0.0.2', 'fd00::99'])
    t.strictSame(store.add(holder('b')), ['10.0.0.3', 'fd00::9a'], 'a request moves round robin')
    t.strictSame(store.add(holder('c'), ips('fd00::5', '10.0.0.77')), ['10.0.0.77', 'fd00::5'])
  },
)

const refused: readonly {
  title: string
  requested: IpAddress[]
  cniCode: number
  message: RegExp
}[] = [
  {
    title: 'the gateway',
    requested: ips('10.0.0.1'),
    cniCode: 7,
    message: /10\.0\.0\.1 is subnet's gateway/,
  },
  {
    title: 'a taken address',
    requested: ips('10.0.0.2'),
    cniCode: 11,
    message: /10\.0\.0\.2 is not available in range set 10\.0\.0\.1-10\.0\.0\.127/,
  },
  {
    title: 'an address in the subnet but not in the range',
    requested: ips('10.0.0.200'),
    cniCode: 7,
    message: /failed to allocate all requested IPs: 10\.0\.0\.200/,
  },
  {
    title: 'two addresses of one set',
    requested: ips('10.0.0.5', '10.0.0.6'),
    cniCode: 7,
    message: /failed to allocate all requested IPs: 10\.0\.0\.6/,
  },
]
for (const { title, requested, cniCode, message } of refused) {
  t.test(`refused: ${title}`, async t => {
    const store = new Memory([[range('10.0.0.0/24', undefined, '10.0.0.127')]])
    store.add(holder('a'))
    t.throws(() => store.add(holder('b'), requested), { cniCode, message })
  })
}

t.test('the same interface of a container gets no second address; another one does', async t => {
  const store = new Memory([[range('10.0.0.0/24')]])
  store.add(holder('a'))
  t.throws(() => store.add(holder('a')), {
    cniCode: 7,
    message: /duplicate allocation is not allowed/,
  })
  t.strictSame(store.add(holder('a', 'net1')), ['10.0.0.3'])
})

t.test(
  'a holder without interface name stands for every interface that has nothing of its own',
  async t => {
    const reservations: Reservations = {
      holders: new Map<IpAddress, Holder>([
        [ips('10.0.0.2')[0] as IpAddress, { containerId: 'a' }],
        [ips('10.0.0.3')[0] as IpAddress, holder('a', 'net1')],
      ]),
      lastReserved: [],
    }
    t.strictSame(heldBy(reservations, holder('a', 'eth0')), ['10.0.0.2'])
    t.strictSame(heldBy(reservations, holder('a', 'net1')), ['10.0.0.3'])
    t.strictSame(heldBy(reservations, holder('b')), [])
  },
)

t.test('any sequence of ADD and DEL: no address twice, all in their ranges, none lost', async t => {
  const sets = [[range('10.0.0.0/29'), range('10.0.1.0/30')], [range('fd00::/126')]]
  const step = fc.record({
    verb: fc.constantFrom('ADD', 'DEL'),
    who: fc.record({
      containerId: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      ifname: fc.constantFrom('eth0', 'net1'),
    }),
    requested: fc.subarray(ips('10.0.0.3', '10.0.1.2', 'fd00::3', '10.0.0.1'), { maxLength: 2 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const store = new Memory(sets)
      const model = new Map<string, readonly IpAddress[]>()
      for (const { verb, who, requested } of steps) {
        const key = `${who.containerId}/${who.ifname}`
        if (verb === 'DEL') {
          store.del(who)
          model.delete(key)
          continue
        }
        const before = new Set(store.holders.keys())
        let got: readonly IpAddress[]
        try {
          got = store.add(who, requested)
        } catch {
          if (store.holders.size !== before.size) return false
          continue
        }
        const fits = got.every((ip, index) =>
          sets[index]?.some(r => rangeContains(r, ip) && r.gateway !== ip),
        )
        if (!fits || got.some(ip => before.has(ip)) || got.length !== sets.length) return false
        model.set(key, [...(model.get(key) ?? []), ...got])
      }
      const expected = [...model.values()].flat()
      return expected.length === store.holders.size && expected.every(ip => store.holders.has(ip))
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('allocating in a huge range looks only at what is taken', async t => {
  const set = [range('fd00::/64')]
  const store = new Memory([set])
  for (let n = 0; n < 100; n++) store.add(holder(`c${n}`))
  t.equal(store.holders.size, 100)
  t.equal(hasFree(set, store), true)
})
