import type { ResourceRecord } from '../message.ts'
import { isInZone, toFqdn } from '../name.ts'
import { type Found, find } from './find.ts'
import { nameServerRecords } from './name-servers.ts'
import type { Outcome, ZoneQuestion } from './outcome.ts'
import { type AddressType, addressRecords, soaRecord, srvRecords } from './records.ts'
import { type Grammar, parseRequest } from './request.ts'
import { lookupReverse } from './reverse-lookup.ts'
import { isReverseZone } from './reverse-name.ts'
import type { ZoneIndex } from './zone-index.ts'
import type { ZoneOptions } from './zone-options.ts'

/** The schema version (Kubernetes DNS specification 1.1.0, section 2.2; that of the Multi-Cluster Services API, section 2.2). */
const VERSION = { cluster: '1.1.0', clusterset: '1.0.0' } as const
const VERSION_TTL = 28800

/** The longest chain of ExternalName Services that is followed; longer ones, and so loops, have no answer. */
const MAX_CHAIN = 10

const NO_DATA: Outcome = { kind: 'no-data' }
const NAME_ERROR: Outcome = { kind: 'name-error' }

/** Answers from the index alone: the Kubernetes DNS specification 1.1.0 with CoreDNS's behaviour where it is silent. */
export function lookup(index: ZoneIndex, options: ZoneOptions, question: ZoneQuestion): Outcome {
  const { type, zone, name } = question
  const isApex = name.length === zone.length
  if (type === 'AXFR' || type === 'IXFR') return { kind: 'refused' }
  if (type === 'SOA') {
    // No SOA question is a name error, whether the name exists or not, as in CoreDNS.
    return isApex ? answer([soaRecord(zone, options.ttl, index.serial)]) : NO_DATA
  }
  if (type === 'NS' && isApex) {
    const { answers, additionals } = nameServerRecords(index, options, question)
    return answer(answers, additionals)
  }
  const lowerZone = zone.toLowerCase()
  if (isReverseZone(lowerZone)) return lookupReverse(index, options, question)
  const grammar = grammarOf(index, options)
  const found = find(index, options, parseRequest(name.toLowerCase(), lowerZone, grammar))
  return found === undefined ? NAME_ERROR : outcomeOf(found, { index, options, question })
}

/** The names that a zone over this index has. */
export const grammarOf = ({ of }: ZoneIndex, { zonal }: ZoneOptions): Grammar => ({
  zonal,
  multicluster: of === 'clusterset',
})

type Context = {
  readonly index: ZoneIndex
  readonly options: ZoneOptions
  readonly question: ZoneQuestion
}

function outcomeOf(found: Found, context: Context): Outcome {
  const { type, name } = context.question
  // CoreDNS denies the version's name for other types, and TXT of any name without address; both kept.
  if (found.kind === 'version') {
    return type === 'TXT' ? answer([versionRecord(name, context.index)]) : NAME_ERROR
  }
  if (found.kind === 'empty') return NO_DATA
  if (found.kind === 'nothing') return type === 'TXT' ? NAME_ERROR : NO_DATA
  if (found.kind === 'alias') return aliasOutcome(found.target, context)
  const { ttl } = context.options
  if (type === 'A' || type === 'AAAA')
    return answer(addressRecords(found.hosts.addresses(), { name, type, ttl }))
  if (type !== 'SRV') return NO_DATA
  const { answers, additionals } = srvRecords(found.hosts.all(), { ...context.question, ttl })
  return answer(answers, additionals)
}

const answer = (
  answers: readonly ResourceRecord[],
  additionals: readonly ResourceRecord[] = [],
): Outcome => (answers.length === 0 ? NO_DATA : { kind: 'answer', answers, additionals })

const versionRecord = (name: string, { of }: ZoneIndex): ResourceRecord => ({
  name,
  type: 'TXT',
  class: 'IN',
  ttl: VERSION_TTL,
  data: [new TextEncoder().encode(VERSION[of])],
})

function aliasOutcome(target: string, context: Context): Outcome {
  const { name, type } = context.question
  const first = aliasRecord(name, target, context.options.ttl)
  if (type === 'CNAME') return answer([first])
  return type === 'A' || type === 'AAAA' ? followAlias(first, type, context) : NO_DATA
}

const aliasRecord = (name: string, target: string, ttl: number) =>
  ({ name, type: 'CNAME', class: 'IN', ttl, data: toFqdn(target) }) as const

/** Follows aliases inside the zone to their addresses. What ends without address has no data, not even the aliases. */
function followAlias(
  first: ReturnType<typeof aliasRecord>,
  type: AddressType,
  { index, options, question }: Context,
): Outcome {
  const zone = question.zone.toLowerCase()
  const chain = [first]
  for (let name = first.data; chain.length <= MAX_CHAIN; ) {
    const lowerName = name.toLowerCase()
    if (!isInZone(lowerName, zone)) return { kind: 'alias', chain, target: name }
    const request = parseRequest(lowerName, zone, grammarOf(index, options))
    const found = find(index, options, request)
    if (found?.kind === 'hosts') {
      const addresses = addressRecords(found.hosts.addresses(), { name, type, ttl: options.ttl })
      return addresses.length === 0 ? NO_DATA : answer([...chain, ...addresses])
    }
    if (found?.kind !== 'alias') return NO_DATA
    chain.push(aliasRecord(name, found.target, options.ttl))
    name = toFqdn(found.target)
  }
  return NO_DATA
}
