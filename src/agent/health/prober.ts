import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { Counter, Gauge, type Metrics } from '#runtime/metrics.ts'
import { runTogether } from '#runtime/run-together.ts'
import type { AgentPart, PartName } from '../parts/part.ts'
import {
  failed,
  nextState,
  type Probe,
  type ProbeResult,
  type ProbeState,
  unprobed,
} from './probe.ts'

/**
 * Milliseconds. The worst case from a fault to its being told is a probe that has just passed, then two that get no answer:
 * 1500 + 1000 + 300 + 1000 = 3.8 s.
 */
const INTERVAL_MS = 1_500
const TIMEOUT_MS = 1_000
/** A failure is looked at again soon, to be told or forgotten. */
const AGAIN_MS = 300
/** How often it is looked whether a part has begun to do its job. */
const WAIT_MS = 50
/** A loop that has not turned for so long hangs. */
const STUCK_MS = 30_000

export type ProberOptions = {
  readonly parts: readonly AgentPart[]
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Told when a part that worked does not any more; gives what to call when it does again. */
  readonly onTrouble: (part: PartName, reason: string) => () => void
}

/** Looks at what the parts do the way their users do, over and over. */
export class Prober {
  readonly #options: ProberOptions
  readonly #metrics: ProbeMetrics
  readonly #states = new Map<PartName, ProbeState>()
  readonly #healed = new Map<PartName, () => void>()
  /** When each part's loop turned last, by the monotonic clock. */
  readonly #turnedMs = new Map<PartName, number>()

  constructor(options: ProberOptions) {
    this.#options = options
    this.#metrics = createProbeMetrics(options.metrics)
  }

  /** Why a part is not known to do its job; undefined when it does, or when it has no probe. */
  whyNot({ name, probe }: AgentPart): string | undefined {
    if (probe === undefined) return undefined
    const { isFailing, reason } = this.#states.get(name) ?? unprobed
    if (isFailing === undefined) return 'not probed yet'
    return isFailing ? reason : undefined
  }

  /** What the last probe could not look at, and why; undefined when it did. */
  skipped({ name }: AgentPart): string | undefined {
    const { isFailing, failures, reason } = this.#states.get(name) ?? unprobed
    return isFailing === false && failures === 0 ? reason : undefined
  }

  /** The parts whose probes hang although each is limited in time: the process does not work any more. */
  stuck(): readonly PartName[] {
    const nowMs = this.#options.clock.monotonic()
    return [...this.#turnedMs].flatMap(([name, ms]) => (nowMs - ms > STUCK_MS ? [name] : []))
  }

  /** Probes until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const loops = this.#options.parts.map(
      part => (stop: AbortSignal) => this.#watch(part, part.probe?.bind(part), stop),
    )
    await runTogether(loops, signal)
    this.#turnedMs.clear()
  }

  async #watch(part: AgentPart, probe: Probe | undefined, signal: AbortSignal): Promise<void> {
    if (probe === undefined) return
    const { clock } = this.#options
    while (!signal.aborted) {
      this.#turnedMs.set(part.name, clock.monotonic())
      const pauseMs = part.whyNot() === undefined ? await this.#look(part, probe, signal) : WAIT_MS
      await clock.sleep(pauseMs, signal)
    }
  }

  /** Gives the milliseconds until the next look. */
  async #look({ name }: AgentPart, probe: Probe, signal: AbortSignal): Promise<number> {
    const { clock } = this.#options
    const startMs = clock.monotonic()
    const result = await probeOnce(probe, signal)
    // What was cut short says nothing.
    signal.throwIfAborted()
    this.#metrics.probed(name, result, clock.monotonic() - startMs)
    const before = this.#states.get(name) ?? unprobed
    const state = nextState(before, result)
    this.#states.set(name, state)
    this.#tell(name, before, state)
    return state.failures > 0 ? AGAIN_MS : INTERVAL_MS
  }

  #tell(part: PartName, before: ProbeState, { isFailing, reason }: ProbeState): void {
    this.#metrics.failing(part, isFailing === true)
    if (before.isFailing === isFailing) return
    const { log, onTrouble } = this.#options
    this.#healed.get(part)?.()
    this.#healed.delete(part)
    if (isFailing === true && before.isFailing === false) {
      this.#healed.set(part, onTrouble(part, reason ?? ''))
    }
    if (isFailing === true) log.warn({ part, reason }, 'probe failed: this part does not work')
    else if (before.isFailing === true) log.info({ part }, 'probe succeeds again')
  }
}

/** A probe that hangs holds up its own loop, never the end of the process. */
async function probeOnce(probe: Probe, signal: AbortSignal): Promise<ProbeResult> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  const stopped = Promise.withResolvers<ProbeResult>()
  const onAbort = () => stopped.resolve(failed('stopped'))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    const looked = probe(limit).catch(error => failed(describeError(error)))
    return await Promise.race([looked, stopped.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

type ProbeMetrics = {
  readonly probed: (part: PartName, result: ProbeResult, durationMs: number) => void
  readonly failing: (part: PartName, isFailing: boolean) => void
}

function createProbeMetrics(registry: Metrics): ProbeMetrics {
  const registers = [registry]
  const probes = new Counter({
    name: 'nodeplane_agent_probes_total',
    help: 'Looks at what a part does, by what they showed: ok, failed, skipped',
    labelNames: ['part', 'result'],
    registers,
  })
  const failing = new Gauge({
    name: 'nodeplane_agent_probe_failing',
    help: '1 while the probe says that the part does not work',
    labelNames: ['part'],
    registers,
  })
  const duration = new Gauge({
    name: 'nodeplane_agent_probe_duration_seconds',
    help: 'How long the last probe took',
    labelNames: ['part'],
    registers,
  })
  return {
    probed(part, { outcome: result }, durationMs) {
      probes.inc({ part, result })
      duration.set({ part }, durationMs / 1000)
    },
    failing: (part, isFailing) => failing.set({ part }, isFailing ? 1 : 0),
  }
}
