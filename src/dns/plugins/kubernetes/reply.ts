import { type Reply, reply } from '../../message.ts'
import type { Outcome } from '../../zone/outcome.ts'
import { soaRecord } from '../../zone/records.ts'
import { notReady } from '../not-ready.ts'

/** What the reply to a question depends on beside the outcome. */
export type ReplyContext = {
  /** In the letter case of the question. */
  readonly zone: string
  /** Seconds. */
  readonly ttl: number
  readonly serial: number
  /** Is all known that there is? Else a name that is not known is not denied either. */
  readonly mayDeny: boolean
}

/**
 * The reply that an outcome means. Negative ones carry the zone's SOA (RFC 2308 section 3). Denying a name before the first
 * sync, or by objects of an earlier time, would stick in clients for the negative TTL: it is SERVFAIL then, and why is said by an
 * extended error.
 */
export function replyFrom(
  outcome: Exclude<Outcome, { readonly kind: 'alias' }>,
  { zone, ttl, serial, mayDeny }: ReplyContext,
): Reply {
  const negative = { authoritative: true, authorities: [soaRecord(zone, ttl, serial)] }
  switch (outcome.kind) {
    case 'answer': {
      const { answers, additionals } = outcome
      return reply({ authoritative: true, answers, additionals })
    }
    case 'no-data':
      return reply(negative)
    case 'name-error':
      return reply({ ...negative, ...(mayDeny ? { rcode: 'NXDOMAIN' } : notReady) })
    case 'refused':
      return reply({ rcode: 'REFUSED' })
  }
}
