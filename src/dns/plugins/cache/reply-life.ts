import { isRecordOf, type Reply, type ResourceRecord } from '../../message.ts'
import type { CacheOptions } from './options.ts'

/** Which of the stores an answer goes to; a failure lies with the denials and has a life of its own. */
export type ReplyKind = 'success' | 'denial' | 'failure'

/**
 * The kind of an answer, or undefined when it is never kept: what was truncated, what says so itself, and denials without SOA (RFC
 * 2308 section 5).
 */
export function replyKind({
  rcode,
  truncated,
  isTransient,
  answers,
  authorities,
}: Reply): ReplyKind | undefined {
  if (truncated || isTransient === true) return undefined
  if (rcode === 'SERVFAIL' || rcode === 'NOTIMP') return 'failure'
  if (rcode === 'NOERROR' && answers.length > 0) return 'success'
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') return undefined
  return authorities.some(record => isRecordOf(record, 'SOA')) ? 'denial' : undefined
}

/** How long an answer may be kept, in seconds: its smallest TTL within the bounds of its kind. */
export function replyTtl(reply: Reply, kind: ReplyKind, options: CacheOptions): number {
  if (kind === 'failure') return options.servfailTtl
  const { minTtl, maxTtl } = options[kind]
  const ttls = recordsOf(reply).map(record => effectiveTtl(record, kind))
  return Math.min(maxTtl, Math.max(minTtl, Math.min(maxTtl, ...ttls)))
}

/** The MINIMUM of an SOA bounds how long a denial is kept (RFC 2308 section 5). */
const effectiveTtl = (record: ResourceRecord, kind: ReplyKind): number =>
  kind === 'denial' && isRecordOf(record, 'SOA')
    ? Math.min(record.ttl, record.data.minimum)
    : record.ttl

const recordsOf = ({ answers, authorities, additionals }: Reply): readonly ResourceRecord[] => [
  ...answers,
  ...authorities,
  ...additionals,
]

/** The answer with all records changed by `change`. */
export const mapRecords = (
  reply: Reply,
  change: (record: ResourceRecord) => ResourceRecord,
): Reply => ({
  ...reply,
  answers: reply.answers.map(change),
  authorities: reply.authorities.map(change),
  additionals: reply.additionals.map(change),
})
