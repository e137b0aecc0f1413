import t from 'tap'
import { firstWanted, type Try } from '#dns/plugins/forward/hedge.ts'
import { Patience } from '#dns/plugins/forward/patience.ts'

const never = new AbortController().signal
const NEVER_MS = 1_000_000

/** Tries that the test ends; `started` has those that were started, with their signals. */
function tries(patiencesMs: readonly number[]) {
  const started: { end: (outcome?: string) => void; signal: AbortSignal }[] = []
  const next = (signal: AbortSignal): Try<string> | undefined => {
    const patienceMs = patiencesMs[started.length]
    if (patienceMs === undefined) return undefined
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    started.push({ end: resolve, signal })
    return { outcome: promise, patienceMs }
  }
  return { started, next }
}

const turn = () => new Promise(resolve => setTimeout(resolve, 5))

t.test('one that is quick needs no other', async t => {
  const { started, next } = tries([NEVER_MS, NEVER_MS])
  const wanted = firstWanted(next, never)
  started[0]?.end('one')
  t.equal(await wanted, 'one')
  t.equal(started.length, 1)
})

t.test('one that comes to nothing is followed at once', async t => {
  const { started, next } = tries([NEVER_MS, NEVER_MS])
  const wanted = firstWanted(next, never)
  started[0]?.end()
  await turn()
  started[1]?.end('two')
  t.equal(await wanted, 'two')
})

t.test('beside a slow one another is started; who is first wins, the other is aborted', async t => {
  for (const winner of [0, 1]) {
    const { started, next } = tries([0, NEVER_MS])
    const wanted = firstWanted(next, never)
    await turn()
    t.equal(started.length, 2)
    started[winner]?.end(`${winner}`)
    t.equal(await wanted, `${winner}`)
    t.equal(started[1 - winner]?.signal.aborted, true)
  }
})

t.test('no more than two at a time', async t => {
  const { started, next } = tries([0, 0, 0])
  const wanted = firstWanted(next, never)
  await turn()
  t.equal(started.length, 2)
  started[1]?.end()
  await turn()
  t.equal(started.length, 3, 'a place is free')
  for (const { end } of started) end()
  t.equal(await wanted, undefined, 'all came to nothing')
})

t.test('patience follows how long a server takes, within bounds', async t => {
  const patience = new Patience()
  t.equal(patience.ms, 500, 'nothing is known yet')
  patience.observe(40)
  t.equal(patience.ms, 160)
  for (let count = 0; count < 100; count++) patience.observe(1)
  t.equal(patience.ms, 50)
  for (let count = 0; count < 100; count++) patience.observe(2000)
  t.equal(patience.ms, 500)
})
