import type { ServiceTraffic } from '#proxy/backend.ts'
import type { ReadCounters } from '#proxy/options.ts'
import type { Clock } from '#runtime/clock.ts'
import type { TrafficView } from './types.ts'

/** A listing of ten thousand Services takes 0.2 s of an `nft` child: however many look, it is made no more often. */
const MIN_AGE_MS = 2_000
/** Rates over a longer time would show what was, not what is. */
const MAX_AGE_MS = 60_000

type Reading = { readonly atMs: number; readonly counters: ReadonlyMap<string, ServiceTraffic> }

/** What goes through the service ports, all families together, with rates once two readings were made. */
export class TrafficReader {
  readonly #readers: readonly ReadCounters[]
  readonly #clock: Pick<Clock, 'monotonic'>
  #last: Reading | undefined
  #before: Reading | undefined
  #reading: Promise<void> | undefined

  /** @param readers one a family; more may be added to the array later. */
  constructor(readers: readonly ReadCounters[], clock: Pick<Clock, 'monotonic'>) {
    this.#readers = readers
    this.#clock = clock
  }

  /** By service port (`namespace/name:port/TCP`). @throws {NodeplaneError} the kernel could not be read. */
  async read(signal: AbortSignal): Promise<ReadonlyMap<string, TrafficView>> {
    const ageMs = this.#clock.monotonic() - (this.#last?.atMs ?? Number.NEGATIVE_INFINITY)
    if (ageMs >= MIN_AGE_MS) {
      this.#reading ??= this.#readAnew(signal).finally(() => {
        this.#reading = undefined
      })
      await this.#reading
    }
    return rates(this.#last, this.#before)
  }

  async #readAnew(signal: AbortSignal): Promise<void> {
    const families = await Promise.all(this.#readers.map(read => read(signal)))
    this.#before = this.#last
    this.#last = { atMs: this.#clock.monotonic(), counters: sum(families) }
  }
}

function sum(
  families: readonly ReadonlyMap<string, ServiceTraffic>[],
): ReadonlyMap<string, ServiceTraffic> {
  const sums = new Map<string, ServiceTraffic>()
  for (const family of families) {
    for (const [key, one] of family) {
      const other = sums.get(key)
      const both = other && {
        connections: one.connections + other.connections,
        packets: one.packets + other.packets,
        bytes: one.bytes + other.bytes,
      }
      sums.set(key, both ?? one)
    }
  }
  return sums
}

function rates(
  last: Reading | undefined,
  before: Reading | undefined,
): ReadonlyMap<string, TrafficView> {
  const seconds = ((last?.atMs ?? 0) - (before?.atMs ?? 0)) / 1_000
  if (last === undefined || before === undefined || seconds * 1_000 > MAX_AGE_MS) {
    return last?.counters ?? new Map()
  }
  return new Map(
    [...last.counters].map(([key, now]) => {
      const then = before.counters.get(key)
      // Counters that went back began anew.
      const rate = (of: keyof ServiceTraffic) => Math.max(0, now[of] - (then?.[of] ?? 0)) / seconds
      const view: TrafficView = {
        ...now,
        connectionsPerSecond: rate('connections'),
        packetsPerSecond: rate('packets'),
        bytesPerSecond: rate('bytes'),
      }
      return [key, view]
    }),
  )
}
