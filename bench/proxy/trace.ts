import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { Writable } from 'node:stream'
import { pino } from 'pino'

/** What one change was spent with; milliseconds. */
export type TracedChange = {
  /** By `performance.now()`. */
  readonly startMs: number
  /** Until a new connection took the new path. */
  readonly ms: number
  /** The proxy's own account of its syncs in that time: from the plan to the answer of the kernel. */
  readonly syncMs: number
  /** The main thread's time on a core. */
  readonly ranMs: number
  /** The longest that the event loop did not turn. */
  readonly heldMs: number
  /** How long the main thread could have run but had no core: what else the machine does. */
  readonly waitedMs: number
}

/** Tells what changes that took long were spent with. */
export class ChangeTrace implements Disposable {
  /** For the proxy. */
  readonly log
  readonly changes: TracedChange[] = []
  readonly #held = monitorEventLoopDelay({ resolution: 1 })
  readonly #observer
  readonly #collections: { readonly startTime: number; readonly duration: number }[] = []
  #syncMs = 0

  constructor() {
    const lines = new Writable({
      write: (line: Buffer, _, done) => {
        const { msg, durationMs = 0 } = JSON.parse(String(line)) as Line
        if (msg === 'synced') this.#syncMs += durationMs
        done()
      },
    })
    this.log = pino({ level: 'debug' }, lines)
    this.#observer = new PerformanceObserver(list => {
      this.#collections.push(...list.getEntries())
    })
    this.#observer.observe({ entryTypes: ['gc'] })
    this.#held.enable()
  }

  /** Runs one change. */
  async change(step: () => Promise<void>): Promise<number> {
    this.#held.reset()
    this.#syncMs = 0
    const before = mainThread()
    const startMs = performance.now()
    await step()
    const ms = performance.now() - startMs
    const after = mainThread()
    const [ranMs, waitedMs] = [after.ranMs - before.ranMs, after.waitedMs - before.waitedMs]
    const heldMs = this.#held.max / 1e6
    this.changes.push({ startMs, ms, syncMs: this.#syncMs, ranMs, heldMs, waitedMs })
    return ms
  }

  /** The slowest changes, one a line, and the p99 of all without the time in which there was no core for the proxy. */
  report(count: number): string {
    const own = this.changes.map(({ ms, waitedMs }) => ms - waitedMs).toSorted((a, b) => a - b)
    const p99 = own[Math.ceil(own.length * 0.99) - 1] ?? 0
    const slowest = this.changes
      .map((change, number) => ({ number, ...change }))
      .toSorted((a, b) => b.ms - a.ms)
      .slice(0, count)
    const lines = slowest.map(({ number, startMs, ms, syncMs, ranMs, heldMs, waitedMs }) => {
      const gc = this.#collectedMs(startMs, startMs + ms)
      const parts = { sync: syncMs, ran: ranMs, gc, held: heldMs, 'without a core': waitedMs }
      const texts = Object.entries(parts).map(([name, ms]) => `${name} ${ms.toFixed(1)}`)
      return `change ${number}: ${ms.toFixed(1)} ms (${texts.join(', ')})\n`
    })
    return `${lines.join('')}p99 of all without their waits for a core: ${p99.toFixed(1)} ms\n`
  }

  #collectedMs(startMs: number, endMs: number): number {
    const within = this.#collections.filter(
      ({ startTime }) => startTime >= startMs && startTime < endMs,
    )
    return within.reduce((sum, { duration }) => sum + duration, 0)
  }

  [Symbol.dispose](): void {
    this.#observer.disconnect()
    this.#held.disable()
  }
}

type Line = { readonly msg: string; readonly durationMs?: number }

/** Its time on a core, and in which it could have run: the first numbers of its schedstat, in nanoseconds. */
function mainThread(): { readonly ranMs: number; readonly waitedMs: number } {
  const [ran, waited] = readFileSync('/proc/self/schedstat', 'utf8').split(' ').map(Number)
  return { ranMs: Number(ran) / 1e6, waitedMs: Number(waited) / 1e6 }
}
