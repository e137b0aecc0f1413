import fc from 'fast-check'
import t from 'tap'
import { placeEndpoints } from '../../../src/proxy/nftables/slots.ts'

const cases = [
  { title: 'first placement', wanted: ['a', 'b'], current: [], want: ['a', 'b'] },
  { title: 'one more', wanted: ['a', 'b', 'c'], current: ['b', 'a'], want: ['b', 'a', 'c'] },
  {
    title: 'the last moves into a hole',
    wanted: ['b', 'c'],
    current: ['a', 'b', 'c'],
    want: ['c', 'b'],
  },
  { title: 'one for another', wanted: ['a', 'x'], current: ['a', 'b'], want: ['a', 'x'] },
  { title: 'none', wanted: [], current: ['a'], want: [] },
]
for (const { title, wanted, current, want } of cases) {
  t.test(title, async t => t.strictSame(placeEndpoints(wanted, current), want))
}

t.test('every wanted endpoint has one slot, and what can stay stays', async () => {
  const names = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
  fc.assert(
    fc.property(
      fc.uniqueArray(names),
      fc.array(fc.option(names, { nil: undefined }), { maxLength: 8 }),
      (wanted, current) => {
        const slots = placeEndpoints(wanted, current)
        const stays = wanted.filter(endpoint => {
          const slot = current.indexOf(endpoint)
          return slot >= 0 && slot < wanted.length
        })
        return (
          slots.toSorted().join() === wanted.toSorted().join() &&
          stays.every(endpoint => slots[current.indexOf(endpoint)] === endpoint)
        )
      },
    ),
  )
})
