import type { Clock } from '#runtime/clock.ts'
import { describeError, isAbort } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { ZoneData } from '../../authority/zone-data.ts'
import type { ZoneSet } from '../../authority/zone-set.ts'
import { type DataOf, isRecordOf } from '../../message.ts'
import { fetchSoa, fetchZone } from './fetch-zone.ts'
import type { SecondaryOptions } from './options.ts'

/** How long is waited before another try while there is no data, milliseconds. */
const FIRST_RETRY_MS = 10_000
/** The shortest times that a primary may ask for: its zone must not keep this server busy, milliseconds. */
const MIN_WAIT_MS = 1_000
/** The longest time without a look, milliseconds: timers know no more than 24 days. */
const MAX_WAIT_MS = 86_400_000

type Parts = {
  readonly zone: string
  readonly options: SecondaryOptions
  readonly zones: ZoneSet
  readonly log: Logger
  readonly clock: Clock
}

/** Keeps a copy of a zone by the times of its SOA record (RFC 1034 section 4.3.5). */
export class SecondaryZone {
  readonly #parts: Parts
  #freshMs = 0
  #wake: AbortController | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    parts.zones.set(parts.zone, { data: undefined, fallthrough: parts.options.fallthrough })
  }

  /** Looks now: a primary said that the zone changed (RFC 1996). */
  refresh(): void {
    this.#wake?.abort()
  }

  /** Runs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const isFresh = await this.#update(signal)
      if (signal.aborted) return
      if (isFresh) this.#freshMs = this.#parts.clock.monotonic()
      else this.#expire()
      await this.#wait(isFresh, signal)
    }
  }

  /** Asks the primaries one after the other; true when one answered. */
  async #update(signal: AbortSignal): Promise<boolean> {
    const { zone, zones, options, log } = this.#parts
    for (const primary of options.primaries) {
      try {
        const soa = await fetchSoa(zone, primary, signal)
        const current = zones.data(zone)
        const serial = isRecordOf(soa, 'SOA') ? soa.data.serial : 0
        // Serial number arithmetic (RFC 1982): a lower one is a primary that lags behind.
        if (current !== undefined && ((serial - current.serial) | 0) <= 0) return true
        const data = new ZoneData(zone, await fetchZone(zone, primary, signal))
        zones.set(zone, { data, fallthrough: options.fallthrough })
        return true
      } catch (error) {
        if (signal.aborted) return false
        log.warn(
          { zone, primary: primary.address, reason: describeError(error) },
          'secondary: no transfer',
        )
      }
    }
    return false
  }

  /** Data that no primary confirmed for the SOA's EXPIRE is not served any more. */
  #expire(): void {
    const { zone, zones, options, clock, log } = this.#parts
    const times = this.#times()
    if (times === undefined || clock.monotonic() - this.#freshMs < times.expire * 1000) return
    log.error({ zone }, 'secondary: the zone expired')
    zones.set(zone, { data: undefined, fallthrough: options.fallthrough })
  }

  async #wait(isFresh: boolean, signal: AbortSignal): Promise<void> {
    const times = this.#times()
    const ms = times === undefined ? FIRST_RETRY_MS : (isFresh ? times.refresh : times.retry) * 1000
    this.#wake = new AbortController()
    try {
      const either = AbortSignal.any([signal, this.#wake.signal])
      await this.#parts.clock.sleep(Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, ms)), either)
    } catch (error) {
      if (!isAbort(error)) throw error
    }
  }

  #times(): DataOf<'SOA'> | undefined {
    const soa = this.#parts.zones.data(this.#parts.zone)?.soa
    return soa !== undefined && isRecordOf(soa, 'SOA') ? soa.data : undefined
  }
}
