import { once } from 'node:events'
import t from 'tap'
import { type Part, runTogether } from '#runtime/run-together.ts'

const untilStopped =
  (log: string[], name: string): Part =>
  async signal => {
    if (!signal.aborted) await once(signal, 'abort')
    log.push(name)
  }

t.test('a failure stops the others, and is thrown once they have ended', async t => {
  const log: string[] = []
  const failing: Part = async () => {
    throw new Error('broken')
  }
  await t.rejects(
    runTogether([untilStopped(log, 'a'), failing, untilStopped(log, 'b')], neverStopped()),
    /broken/,
  )
  t.strictSame(new Set(log), new Set(['a', 'b']))
})

t.test('stopping is no error, also for a part that throws the reason', async t => {
  const stop = new AbortController()
  const throwing: Part = async signal => {
    if (!signal.aborted) await once(signal, 'abort')
    signal.throwIfAborted()
  }
  const running = runTogether([throwing, untilStopped([], 'a')], stop.signal)
  stop.abort()
  await t.resolves(running)
})

t.test('a failure while stopping is still told', async t => {
  const stop = new AbortController()
  const failing: Part = async signal => {
    if (!signal.aborted) await once(signal, 'abort')
    throw new Error('could not close')
  }
  const running = runTogether([failing], stop.signal)
  stop.abort()
  await t.rejects(running, /could not close/)
})

function neverStopped(): AbortSignal {
  return new AbortController().signal
}
