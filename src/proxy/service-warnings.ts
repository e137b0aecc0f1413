import type { EndpointSlice, Service } from '#cluster/objects.ts'
import type { Change, StoreReader } from '#cluster/store.ts'
import { ipFamilies, parseIpLenient } from '#net/ip.ts'
import { parsePrefixLenient } from '#net/prefix.ts'
import type { Logger } from '#runtime/log.ts'
import { isHealthChecked, servicePortsOf } from './service-port.ts'
import { sliceOwner } from './slice-owner.ts'

/** What of a Service is not honoured, a sentence each; none for one that is not the proxy's business. */
export function unhonoured(service: Service): readonly string[] {
  if (ipFamilies.every(family => servicePortsOf(service, family).length === 0)) return []
  const ips = service.externalIPs.filter(text => text.trim() !== '' && !parseIpLenient(text))
  const ranges = service.loadBalancerSourceRanges.filter(text => !parsePrefixLenient(text.trim()))
  return [
    ...(ips.length > 0 ? [`externalIPs without meaning are left out: ${quote(ips)}`] : []),
    ...(ranges.length > 0
      ? [`loadBalancerSourceRanges without meaning are left out: ${quote(ranges)}`]
      : []),
    ...(isHealthChecked(service) && service.healthCheckNodePort === 0 ? [NO_HEALTH_CHECK] : []),
  ]
}

const NO_HEALTH_CHECK =
  'healthCheckNodePort is not set: load balancers cannot ask which nodes have endpoints, as externalTrafficPolicy Local needs'

/** What of a slice is not honoured. */
export const unhonouredSlice = (slice: EndpointSlice): readonly string[] =>
  slice.addressType === 'FQDN' && sliceOwner(slice) !== undefined
    ? ['addressType FQDN: names cannot be endpoints here, so the slice is left out']
    : []

/** Warnings in the life of a process: so many objects show what there is to know. */
const MAX_WARNINGS = 100
const MAX_QUOTED_LENGTH = 200

const quote = (texts: readonly string[]): string =>
  JSON.stringify(texts).slice(0, MAX_QUOTED_LENGTH)

/**
 * Warns once of each Service and slice that asks for what is not honoured, until `signal` is aborted. One that was changed
 * to ask for something else is not warned of again.
 */
export async function warnOfServices(
  { store, log }: { readonly store: StoreReader; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  using feed = store.feed(['Service', 'EndpointSlice'])
  // Never more than MAX_WARNINGS keys.
  const warned = new Set<string>()
  while (warned.size < MAX_WARNINGS) {
    const batch = await feed.next(signal).catch(() => undefined)
    if (batch === undefined) return
    for (const change of batch.changes) {
      const { kind, key } = change
      const id = `${kind} ${key}`
      const problems = warned.has(id) ? [] : problemsOf(change)
      if (problems.length === 0) continue
      if (warned.size === MAX_WARNINGS) break
      warned.add(id)
      const field = kind === 'Service' ? 'service' : 'slice'
      log.warn({ [field]: key, problems }, `not all of the ${kind} is honoured`)
    }
  }
  log.warn({ warned: MAX_WARNINGS }, 'no more Services and slices will be warned of')
}

function problemsOf(change: Change): readonly string[] {
  if (change.after === undefined) return []
  if (change.kind === 'Service') return unhonoured(change.after)
  return change.kind === 'EndpointSlice' ? unhonouredSlice(change.after) : []
}
