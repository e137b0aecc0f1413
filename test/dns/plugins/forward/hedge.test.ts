import t from 'tap'
import { Hedge } from '#dns/plugins/forward/hedge.ts'
import { Patience } from '#dns/plugins/forward/patience.ts'
import { TimerWheel } from '#dns/plugins/forward/timer-wheel.ts'

const NEVER_MS = 9_000

/** Tries that the test ends; `started` has those that were started, `outcomes` what was decided. */
function race(patiencesMs: readonly number[]) {
  const started: { end: (outcome?: string) => void; isCancelled: boolean }[] = []
  const outcomes: (string | undefined)[] = []
  const wheel = new TimerWheel(() => performance.now())
  t.teardown(() => wheel.stop())
  const hedge = new Hedge<string>({
    next(onEnd) {
      const patienceMs = patiencesMs[started.length]
      if (patienceMs === undefined) return undefined
      const one = { end: onEnd, isCancelled: false }
      started.push(one)
      return {
        patienceMs,
        cancel() {
          one.isCancelled = true
        },
      }
    },
    onDecided: outcome => outcomes.push(outcome),
    wheel,
  })
  hedge.start()
  return { started, outcomes, hedge, patienceOver: () => hedge.onDue() }
}

t.test('one that is quick needs no other', async t => {
  const { started, outcomes } = race([NEVER_MS, NEVER_MS])
  started[0]?.end('one')
  t.strictSame(outcomes, ['one'])
  t.equal(started.length, 1)
})

t.test('one that comes to nothing is followed at once', async t => {
  const { started, outcomes } = race([NEVER_MS, NEVER_MS])
  started[0]?.end()
  started[1]?.end('two')
  t.strictSame(outcomes, ['two'])
})

t.test(
  'beside a slow one another is started; who is first wins, the other is cancelled',
  async t => {
    for (const winner of [0, 1]) {
      const { started, outcomes, patienceOver } = race([NEVER_MS, NEVER_MS])
      patienceOver()
      t.equal(started.length, 2)
      started[winner]?.end(`${winner}`)
      t.strictSame(outcomes, [`${winner}`])
      t.strictSame(
        started.map(({ isCancelled }) => isCancelled),
        [winner === 1, winner === 0],
      )
      started[1 - winner]?.end('too late')
      t.equal(outcomes.length, 1)
    }
  },
)

t.test('no more than two at a time', async t => {
  const { started, outcomes, patienceOver } = race([NEVER_MS, NEVER_MS, NEVER_MS])
  patienceOver()
  patienceOver()
  t.equal(started.length, 2)
  started[1]?.end()
  t.equal(started.length, 3, 'a place is free')
  started[0]?.end()
  t.strictSame(outcomes, [], 'one is under way')
  started[2]?.end()
  t.strictSame(outcomes, [undefined], 'all came to nothing')
})

t.test('without a first one it comes to nothing; cancelled, to nothing at all', async t => {
  t.strictSame(race([]).outcomes, [undefined])
  const { started, outcomes, hedge } = race([NEVER_MS])
  hedge.cancel()
  started[0]?.end('one')
  t.equal(started[0]?.isCancelled, true)
  t.strictSame(outcomes, [])
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
