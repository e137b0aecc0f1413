import t from 'tap'
import { Trigger } from '#runtime/trigger.ts'
import { HeldClock } from '../helper/held-clock.ts'

const never = new AbortController().signal

t.test('what was fired before the wait is remembered, once', async t => {
  const clock = new HeldClock()
  const trigger = new Trigger(clock)
  trigger.fire()
  trigger.fire()
  await trigger.wait(1_000, never)
  const second = trigger.wait(1_000, never)
  t.equal(clock.sleepers, 1, 'the second one waits')
  trigger.fire()
  await second
})

t.test('the limit ends a wait', async () => {
  const clock = new HeldClock()
  const wait = new Trigger(clock).wait(1_000, never)
  clock.advance(1_000)
  await wait
})

t.test('the signal ends a wait with its reason', async t => {
  const stop = new AbortController()
  const wait = new Trigger(new HeldClock()).wait(1_000, stop.signal)
  stop.abort(new Error('stopped'))
  await t.rejects(wait, { message: 'stopped' })
})
