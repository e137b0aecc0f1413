import t from 'tap'
import type { ForeignChange } from '#linux/nft-monitor.ts'
import { guardTable } from '../../src/proxy/foreign-changes.ts'
import { eventually } from '../helper/eventually.ts'
import { HeldClock } from '../helper/held-clock.ts'

const change: ForeignChange = { reason: 'nft (pid 1): 1 table deleted', isElementsOnly: false }

/** A guard whose table is changed by others without end. */
function fighting() {
  const clock = new HeldClock()
  const stop = new AbortController()
  const seen: ForeignChange[] = []
  const watch = {
    next: async (signal: AbortSignal) => {
      signal.throwIfAborted()
      return change
    },
    [Symbol.dispose]: () => {},
  }
  const ended = guardTable({ watch, clock, onChange: c => void seen.push(c) }, stop.signal)
  return { clock, seen, stop, ended }
}

t.test('who keeps fighting is answered 20 times at once, then every 5 seconds', async t => {
  const { clock, seen, stop, ended } = fighting()
  for (let count = 20; count < 25; count++) {
    await eventually('a rest', () => clock.sleepers === 1)
    t.equal(seen.length, count)
    clock.advance(5_000)
    await eventually('the next', () => seen.length === count + 1)
  }
  stop.abort()
  await ended
})

t.test('after a quiet time changes are answered at once again', async t => {
  const { clock, seen, stop, ended } = fighting()
  await eventually('a rest', () => clock.sleepers === 1)
  clock.advance(100_000)
  await eventually('a rest', () => clock.sleepers === 1 && seen.length > 20)
  t.equal(seen.length, 40)
  stop.abort()
  await ended
})
