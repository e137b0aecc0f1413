import { describeError } from '#runtime/error.ts'
import { isRecordOf, type Query, type Reply, type ResourceRecord, reply } from '../../message.ts'
import { longestZone } from '../../name.ts'
import type {
  PluginDefinition,
  SetupContext,
  TransferredZone,
  TransferSource,
} from '../../plugin.ts'
import { batchesOf } from './batches.ts'
import { notify } from './notify.ts'
import { parseTransfer, type TransferOptions } from './options.ts'

/** Zones that are being sent at one time: each keeps a version of its zone in memory. */
const MAX_TRANSFERS = 8

/** How long further changes are waited for before others are told, milliseconds. */
const NOTIFY_DELAY_MS = 500

/** `transfer`: copies of the block's zones for other servers (RFC 5936), and notice of their changes (RFC 1996). */
export const transfer: PluginDefinition = {
  name: 'transfer',
  repeatable: true,
  setup(directives, context) {
    const rules = directives.map(directive => parseTransfer(directive, context.zones))
    const stopping = new AbortController()
    const underWay = { count: 0 }
    const sources = (): readonly TransferSource[] => {
      const block = context.blocks().find(({ zones }) => zones === context.zones)
      return (block?.plugins ?? []).flatMap(({ transfers }) => transfers ?? [])
    }
    return {
      name: 'transfer',
      wrap: next => (query, signal) => {
        const { type, name } = query.question
        const isTransfer = type === 'AXFR' || type === 'IXFR'
        const zone = name.toLowerCase()
        const rule = isTransfer ? ruleFor(rules, zone) : undefined
        if (rule === undefined) return next(query, signal)
        const isAllowed = query.transport === 'tcp' && rule.allows(query.client.address)
        const isBusy = underWay.count >= MAX_TRANSFERS
        const found = isAllowed && !isBusy ? zoneIn(sources(), zone) : undefined
        return found === undefined ? reply({ rcode: 'REFUSED' }) : sent(found, query, underWay)
      },
      start() {
        const notifier = new Notifier(rules, context, stopping.signal)
        for (const source of sources()) {
          source.onChange(zone => notifier.changed(source, zone), stopping.signal)
          for (const zone of source.zones()) notifier.changed(source, zone)
        }
      },
      stop: () => stopping.abort(),
    }
  },
}

/** The directive with the longest zone that holds the name. */
function ruleFor(rules: readonly TransferOptions[], name: string): TransferOptions | undefined {
  const zone = longestZone(
    rules.flatMap(rule => rule.zones),
    name,
  )
  return zone === undefined ? undefined : rules.find(rule => rule.zones.includes(zone))
}

function zoneIn(sources: readonly TransferSource[], zone: string): TransferredZone | undefined {
  for (const source of sources) {
    const found = source.zone(zone)
    if (found !== undefined) return found
  }
  return undefined
}

/** The whole zone between two SOA records; the SOA record alone for who has this version (RFC 1995 section 2). */
function sent({ soa, records }: TransferredZone, query: Query, underWay: { count: number }): Reply {
  const whole = { authoritative: true, answers: [soa] }
  if (query.question.type === 'IXFR' && isCurrent(soa, query)) return reply(whole)
  function* following() {
    underWay.count++
    try {
      yield* batchesOf(records)
      yield [soa]
    } finally {
      underWay.count--
    }
  }
  return reply({ ...whole, following: following() })
}

/** Serial number arithmetic (RFC 1982): is the client's serial ours or later? */
function isCurrent(soa: ResourceRecord, { ixfrSerial }: Query): boolean {
  if (ixfrSerial === undefined || !isRecordOf(soa, 'SOA')) return false
  return ((ixfrSerial - soa.data.serial) | 0) >= 0
}

/** Tells the other servers of changes; of many in a row they are told once. */
class Notifier {
  readonly #rules: readonly TransferOptions[]
  readonly #context: SetupContext
  readonly #signal: AbortSignal
  readonly #waiting = new Map<string, NodeJS.Timeout>()

  constructor(rules: readonly TransferOptions[], context: SetupContext, signal: AbortSignal) {
    this.#rules = rules
    this.#context = context
    this.#signal = signal
    signal.addEventListener('abort', () => {
      for (const timer of this.#waiting.values()) clearTimeout(timer)
    })
  }

  changed(source: TransferSource, zone: string): void {
    const rule = ruleFor(this.#rules, zone)
    if (rule === undefined || rule.notify.length === 0 || this.#waiting.has(zone)) return
    const timer = setTimeout(() => {
      this.#waiting.delete(zone)
      this.#notify(source, zone, rule)
    }, NOTIFY_DELAY_MS)
    timer.unref()
    this.#waiting.set(zone, timer)
  }

  #notify(
    source: TransferSource,
    zone: string,
    { notify: targets, source: from }: TransferOptions,
  ): void {
    const soa = source.zone(zone)?.soa
    if (soa === undefined) return
    for (const target of targets) {
      notify(zone, soa, { target, source: from, signal: this.#signal }).catch((error: unknown) => {
        if (this.#signal.aborted) return
        const reason = describeError(error)
        this.#context.log.warn({ zone, to: target.address, reason }, 'transfer: NOTIFY failed')
      })
    }
  }
}
