import { type Query, type Reply, reply } from '../message.ts'
import { longestZone } from '../name.ts'
import { endOfChain, type Handler } from '../plugin.ts'
import { fallsThrough } from '../plugins/fallthrough.ts'
import { lookUp } from '../plugins/follow-alias.ts'
import { Unanswered } from '../unanswered.ts'
import { type AuthorityOutcome, lookupAuthority } from './lookup.ts'
import type { ZoneData } from './zone-data.ts'

/** A zone that a plugin is to answer for. */
export type ServedZone = {
  /** undefined: there is no data, or it has expired. */
  readonly data: ZoneData | undefined
  readonly fallthrough: readonly string[] | undefined
}

type Asking = {
  readonly query: Query
  readonly signal: AbortSignal
  readonly next: Handler
  readonly lookup: Handler
}

/** Answers from the zone that the name is in; names in none go on. @param zones by their names in lower case. */
export function answerFrom(
  zones: ReadonlyMap<string, ServedZone>,
  { query, signal, next, lookup }: Asking,
): ReturnType<Handler> {
  const { name, type, class: queryClass } = query.question
  const lowerName = name.toLowerCase()
  const found = queryClass === 'IN' ? longestZone([...zones.keys()], lowerName) : undefined
  const zone = found === undefined ? undefined : zones.get(found)
  if (zone === undefined) {
    // Nothing behind it: a server with authority for other zones refuses (RFC 1035 section 4.1.1), as CoreDNS does.
    return next === endOfChain ? reply({ rcode: 'REFUSED' }) : next(query, signal)
  }
  if (type === 'AXFR' || type === 'IXFR') return reply({ rcode: 'REFUSED' })
  if (zone.data === undefined) throw new Unanswered('SERVFAIL', `zone ${found} has no data`)
  const dnssecOk = query.edns?.dnssecOk === true
  const outcome = lookupAuthority(zone.data, { name, type, dnssecOk })
  if (outcome.kind === 'name-error' && outcome.answers.length === 0) {
    if (fallsThrough(zone.fallthrough, lowerName)) return next(query, signal)
  }
  return replyTo(outcome, { query, signal, next, lookup })
}

function replyTo(outcome: AuthorityOutcome, asking: Asking): Reply | Promise<Reply> {
  switch (outcome.kind) {
    case 'loop':
      throw new Unanswered('SERVFAIL', 'aliases of the zone lead to one another')
    case 'alias':
      return withTarget(outcome, asking)
    case 'referral': {
      // Behind an alias the referral is of another name, but the alias itself has authority.
      const { answers, authorities, additionals } = outcome
      return reply({ authoritative: answers.length > 0, answers, authorities, additionals })
    }
    case 'answer':
    case 'no-data':
    case 'name-error': {
      const { answers, authorities, additionals } = outcome
      const rcode = outcome.kind === 'name-error' ? 'NXDOMAIN' : 'NOERROR'
      return reply({ rcode, authoritative: true, answers, authorities, additionals })
    }
  }
}

/** The aliases with what the server has of their target; its rcode is theirs (RFC 6604 section 3). */
async function withTarget(
  { answers, target }: Extract<AuthorityOutcome, { readonly kind: 'alias' }>,
  asking: Asking,
): Promise<Reply> {
  const { type } = asking.query.question
  const found = type === 'CNAME' ? undefined : await lookUp(target, asking)
  // Whom the client must ask itself is not known here: the aliases alone are an answer.
  const isKnown = found?.rcode === 'NOERROR' || found?.rcode === 'NXDOMAIN'
  return reply({
    rcode: found?.rcode === 'NXDOMAIN' ? 'NXDOMAIN' : 'NOERROR',
    authoritative: true,
    answers: [...answers, ...(isKnown ? (found?.answers ?? []) : [])],
    authorities: isKnown ? (found?.authorities ?? []) : [],
    truncated: found?.truncated ?? false,
  })
}
