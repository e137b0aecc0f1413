import { keyOf, type Service } from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import { ipFamilies, parseIpLenient } from '#net/ip.ts'
import { parsePrefixLenient } from '#net/prefix.ts'
import type { Logger } from '#runtime/log.ts'
import { isHealthChecked, servicePortsOf } from './service-port.ts'

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
    // The API server gives it a number; a Service from elsewhere may have none.
    ...(isHealthChecked(service) && service.healthCheckNodePort === 0
      ? ['healthCheckNodePort is 0: a load balancer cannot ask which nodes have endpoints']
      : []),
  ]
}

/** Warnings in the life of a process: so many Services show what there is to know. */
const MAX_WARNINGS = 100
const MAX_QUOTED_LENGTH = 200

const quote = (texts: readonly string[]): string =>
  JSON.stringify(texts).slice(0, MAX_QUOTED_LENGTH)

/**
 * Warns once of each Service that asks for what is not honoured, until `signal` is aborted. A Service that was changed
 * to ask for something else is not warned of again.
 */
export async function warnOfServices(
  { store, log }: { readonly store: StoreReader; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  using feed = store.feed(['Service'])
  // Never more than MAX_WARNINGS keys.
  const warned = new Set<string>()
  while (warned.size < MAX_WARNINGS) {
    const batch = await feed.next(signal).catch(() => undefined)
    if (batch === undefined) return
    for (const { kind, after } of batch.changes) {
      if (kind !== 'Service' || after === undefined || warned.has(keyOf(after))) continue
      const problems = unhonoured(after)
      if (problems.length === 0) continue
      if (warned.size === MAX_WARNINGS) break
      warned.add(keyOf(after))
      log.warn({ service: keyOf(after), problems }, 'not all of the Service is honoured')
    }
  }
  log.warn({ warned: MAX_WARNINGS }, 'no more Services will be warned of')
}
