import { isRecordOf, type Message } from '../message.ts'

/** The one path (CoreDNS: plugin/pkg/doh). */
const PATH = '/dns-query'
/** Of a message, octets (RFC 8484 section 6). */
export const MAX_MESSAGE_OCTETS = 65_535
/** Base64 of the largest message, characters. */
const MAX_PARAMETER = Math.ceil((MAX_MESSAGE_OCTETS * 4) / 3)

/** Where the query of a request is, or why there is none. */
export type DohRequest =
  | { readonly kind: 'packet'; readonly packet: Uint8Array }
  | { readonly kind: 'body' }
  | { readonly kind: 'refused'; readonly status: 400 | 404; readonly reason: string }

/** Reads method and target of a request (RFC 8484 section 4.1). Pure. */
export function readDohRequest(method: string, target: string): DohRequest {
  const [path, query = ''] = target.split('?', 2)
  if (path !== PATH) return { kind: 'refused', status: 404, reason: `there is only ${PATH}` }
  if (method === 'POST') return { kind: 'body' }
  if (method !== 'GET') return refused('use GET or POST')
  const [text, ...more] = new URLSearchParams(query).getAll('dns')
  if (text === undefined || more.length > 0) return refused('needs one parameter dns')
  if (text.length > MAX_PARAMETER) return refused('the parameter dns is too long')
  // RFC 8484 section 6: base64url without padding. Four characters are three octets, so one alone is none.
  if (!/^[A-Za-z0-9_-]+$/.test(text) || text.length % 4 === 1) {
    return refused('the parameter dns is not base64url')
  }
  return { kind: 'packet', packet: Buffer.from(text, 'base64url') }
}

const refused = (reason: string): DohRequest => ({ kind: 'refused', status: 400, reason })

/** What CoreDNS says of errors and of answers that have no TTL, seconds. */
const DEFAULT_AGE = 5
/** As far as anything is kept, seconds (CoreDNS: plugin/pkg/dnsutil). */
const MAX_AGE = 3600

/**
 * How long an answer may be kept by caches of HTTP, seconds: the least TTL in it (RFC 8484 section 5.1). Of a denial also the last
 * field of its SOA record (RFC 2308 section 5). Pure.
 */
export function maxAgeOf({ rcode, answers, authorities, additionals }: Message): number {
  const records = [...answers, ...authorities, ...additionals]
  const isCacheable = rcode === 'NOERROR' || rcode === 'NXDOMAIN'
  if (!isCacheable || records.length === 0) return DEFAULT_AGE
  const denials = answers.length > 0 ? [] : authorities
  const minimums = denials.flatMap(record =>
    isRecordOf(record, 'SOA') ? [record.data.minimum] : [],
  )
  return Math.min(MAX_AGE, ...records.map(({ ttl }) => ttl), ...minimums)
}
