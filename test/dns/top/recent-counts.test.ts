import fc from 'fast-check'
import t from 'tap'
import { FrequentItems } from '#dns/top/frequent-items.ts'
import { HALF_WINDOW_MS, RecentCounts } from '#dns/top/recent-counts.ts'
import { HeldClock } from '../../helper/held-clock.ts'

t.test('counts are exact while there is room', t => {
  const items = new FrequentItems(4)
  for (const key of ['a', 'b', 'a', 'c', 'a']) items.add(key, 2)
  t.strictSame(Object.fromEntries(items.counts), { a: 6, b: 2, c: 2 })
  t.end()
})

t.test(
  'no count is too high, nor too low by more than 2 / capacity of all; memory is bounded',
  t => {
    const step = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 50 }))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), steps => {
        const items = new FrequentItems(8)
        const truth = new Map<string, number>()
        let sum = 0
        for (const [number, times] of steps) {
          const key = `${number}`
          items.add(key, times)
          truth.set(key, (truth.get(key) ?? 0) + times)
          sum += times
          if (items.counts.size > 8) return false
        }
        return [...truth].every(([key, count]) => {
          const told = items.counts.get(key) ?? 0
          return told <= count && count - told <= (2 * sum) / 8
        })
      }),
    )
    t.end()
  },
)

t.test('a flood of names that are asked once each hides none that is asked often', t => {
  const counts = new RecentCounts(new HeldClock())
  for (let number = 0; number < 20_000; number++) {
    counts.add(`random-${number}`, 1)
    if (number % 20 === 0) counts.add('often', 1)
  }
  const [first] = counts.top(20)
  t.equal(first?.key, 'often')
  t.ok((first?.count ?? 0) <= 1_000 && (first?.count ?? 0) >= 1_000 - 21_000 / 256)
  t.equal(counts.top(20).length, 20)
  t.end()
})

t.test('what was counted is told for one to two halves of the window, then no more', t => {
  const clock = new HeldClock()
  const counts = new RecentCounts(clock)
  counts.add('old', 3)
  clock.advance(HALF_WINDOW_MS)
  counts.add('new', 5)
  counts.add('old', 1)
  t.strictSame(counts.top(9), [
    { key: 'new', count: 5 },
    { key: 'old', count: 4 },
  ])
  clock.advance(HALF_WINDOW_MS)
  t.strictSame(counts.top(1), [{ key: 'new', count: 5 }])
  t.equal(counts.top(9)[1]?.count, 1)
  clock.advance(2 * HALF_WINDOW_MS)
  t.strictSame(counts.top(9), [], 'also when nothing came in between')
  t.end()
})
