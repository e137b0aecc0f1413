import t from 'tap'
import { failed, ok, type ProbeResult } from '#agent/health/probe.ts'
import { Prober } from '#agent/health/prober.ts'
import type { AgentPart } from '#agent/parts/part.ts'
import { createLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { eventually } from '../../helper/eventually.ts'
import { HeldClock } from '../../helper/held-clock.ts'

const log = await createLogger('silent', false)

/** A prober of one part, whose probes give what the test says. */
function tested(t: Tap) {
  const stop = new AbortController()
  const clock = new HeldClock()
  const troubles: string[] = []
  let started: string | undefined = 'not started yet'
  let result: ProbeResult | Error | 'silence' = ok
  const part: AgentPart = {
    name: 'dns',
    wanted: {},
    whyNot: () => started,
    async probe() {
      if (result === 'silence') return new Promise(() => undefined)
      if (result instanceof Error) throw result
      return result
    },
    run: async () => undefined,
  }
  const onTrouble = (name: string, reason: string) => {
    troubles.push(`${name}: ${reason}`)
    return () => troubles.push(`${name} healed`)
  }
  const prober = new Prober({ parts: [part], clock, log, metrics: createMetrics(), onTrouble })
  const running = prober.run(stop.signal)
  t.teardown(async () => {
    stop.abort()
    await running
  })
  /** One probe that gives this. */
  const probe = async (next: typeof result) => {
    result = next
    await eventually('a pause', () => clock.sleepers === 1)
    clock.advance(1_500)
    await eventually('the next pause', () => clock.sleepers === 1)
  }
  const start = async () => {
    await eventually('the first look', () => clock.sleepers === 1)
    started = undefined
  }
  return { clock, prober, troubles, probe, start, setResult, whyNot: () => prober.whyNot(part) }

  function setResult(next: typeof result) {
    result = next
  }
}
type Tap = { readonly teardown: (end: () => Promise<void>) => void }

t.test('a part is probed once it has begun; until then it is not known to work', async t => {
  const { whyNot, probe, start } = tested(t)
  await probe(ok)
  t.equal(whyNot(), 'not probed yet')
  await start()
  await probe(ok)
  t.equal(whyNot(), undefined)
})

t.test('two failures in a row are told with their reason, as one incident', async t => {
  const { whyNot, probe, start, troubles } = tested(t)
  await start()
  await probe(ok)
  await probe(failed('no answer'))
  t.equal(whyNot(), undefined)
  await probe(new Error('socket', { cause: new Error('EPERM') }))
  t.equal(whyNot(), 'socket: EPERM')
  await probe(failed('no answer'))
  t.equal(whyNot(), 'no answer')
  t.strictSame(troubles, ['dns: socket: EPERM'])
  await probe(ok)
  t.equal(whyNot(), undefined)
  t.strictSame(troubles, ['dns: socket: EPERM', 'dns healed'])
})

t.test('a probe that hangs although it is limited shows as a part that is stuck', async t => {
  const { clock, prober, start, setResult } = tested(t)
  await start()
  t.strictSame(prober.stuck(), [])
  setResult('silence')
  clock.advance(100)
  await eventually('the probe', () => clock.sleepers === 0)
  clock.advance(31_000)
  t.strictSame(prober.stuck(), ['dns'])
})
