import t from 'tap'
import { AskedBefore } from '#dns/fast/asked-before.ts'

/** Well spread, as hashes are. */
const hashOf = (number: number): number => Math.imul(number + 1, 0x9e3779b1)

t.test('a name counts as known from its second time on, however many others there are', async t => {
  const asked = new AskedBefore()
  const NAMES = 20_000
  const numbers = Array.from({ length: NAMES }, (_, number) => number)
  const takenForKnown = numbers.filter(number => asked.see(hashOf(number))).length
  t.ok(takenForKnown < NAMES / 5, `${takenForKnown} of ${NAMES} share a bit with another`)
  t.equal(numbers.filter(number => asked.see(hashOf(number))).length, NAMES)
})

t.test('a flood does not fill it for good', async t => {
  const asked = new AskedBefore()
  let known = 0
  for (let number = 0; number < 1_000_000; number++) if (asked.see(hashOf(number))) known++
  t.ok(known < 300_000, `${known} of a million`)
})
