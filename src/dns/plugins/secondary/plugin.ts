import { type Clock, systemClock } from '#runtime/clock.ts'
import { answerFrom } from '../../authority/answer.ts'
import { ZoneSet } from '../../authority/zone-set.ts'
import { type Query, type Reply, reply } from '../../message.ts'
import type { PluginDefinition } from '../../plugin.ts'
import { parseSecondary, type SecondaryOptions } from './options.ts'
import { SecondaryZone } from './secondary-zone.ts'

/** `secondary`: zones with authority, copied from their primary servers. */
export const secondaryPlugin = (clock: Clock = systemClock): PluginDefinition => ({
  name: 'secondary',
  repeatable: true,
  setup(directives, context) {
    const zones = new ZoneSet()
    const copies = new Map<string, Copy>()
    for (const options of directives.map(directive => parseSecondary(directive, context.zones))) {
      for (const zone of options.zones) {
        const copy = new SecondaryZone({ zone, options, zones, log: context.log, clock })
        copies.set(zone, { copy, options })
      }
    }
    const stopping = new AbortController()
    let ended: readonly Promise<void>[] = []
    return {
      name: 'secondary',
      transfers: zones.transfers,
      wrap: next => (query, signal) =>
        notified(query, copies) ??
        answerFrom(zones.zones, { query, signal, next, lookup: context.lookup }),
      start() {
        ended = [...copies.values()].map(({ copy }) => copy.run(stopping.signal))
      },
      async stop() {
        stopping.abort()
        await Promise.all(ended)
      },
    }
  },
})

type Copy = { readonly copy: SecondaryZone; readonly options: SecondaryOptions }

/** The answer to a NOTIFY of one of the zones; only its primaries are listened to (RFC 1996 section 3.10). */
function notified(query: Query, copies: ReadonlyMap<string, Copy>): Reply | undefined {
  if (query.opcode !== 'NOTIFY') return undefined
  const found = copies.get(query.question.name.toLowerCase())
  if (found === undefined) return undefined
  const { copy, options } = found
  const isPrimary = options.primaries.some(({ address }) => address === query.client.address)
  if (!isPrimary) return reply({ rcode: 'REFUSED' })
  copy.refresh()
  return reply({ authoritative: true })
}
