import type { Query, Remember } from '../message.ts'
import { encodeReply } from '../server/reply-message.ts'
import { type Template, templateFrom } from './template.ts'

/** An answer to every client fits into this many octets, and so looks the same for all (RFC 1035 section 4.2.1). */
const SMALLEST_CLIENT_OCTETS = 512
/** What a roomy client takes, for finding out. */
const ROOMY_CLIENT_OCTETS = 4096

/** What to keep of an answer, for all clients or for those alone that take as much as this one. */
export type PlannedEntry = { readonly template: Template; readonly isSized: boolean }

/**
 * The template of the answers to a query; undefined when there can be none. A cut answer that rotates has none: each client would
 * get the same few of the records.
 * @param nameLength of the question's name on the wire.
 */
export function planEntry(
  query: Query,
  remember: Remember,
  nameLength: number,
): PlannedEntry | undefined {
  const templateFor = (udpSize: number): Template | undefined => {
    const [lower, upper] = [query.question.name.toLowerCase(), query.question.name.toUpperCase()]
      .map(name => asked(query, name, udpSize))
      .map(same => encodeReply(same, remember.again(same)))
    if (lower === undefined || upper === undefined) return undefined
    const template = templateFrom(lower, upper, nameLength)
    return template?.isTruncated && remember.rotates ? undefined : template
  }
  if (query.edns === undefined) {
    const template = templateFor(0)
    return template && { template, isSized: false }
  }
  const roomy = templateFor(ROOMY_CLIENT_OCTETS)
  if (roomy !== undefined && !isSized(roomy)) return { template: roomy, isSized: false }
  const template = templateFor(query.edns.udpSize)
  return template && { template, isSized: true }
}

const isSized = ({ octets, isCompressed, isTruncated }: Template): boolean =>
  isCompressed || isTruncated || octets.length > SMALLEST_CLIENT_OCTETS

/** The same question in other letters, without what is patched in. */
const asked = (query: Query, name: string, udpSize: number): Query => ({
  ...query,
  id: 0,
  recursionDesired: false,
  question: { ...query.question, name },
  edns: query.edns && { ...query.edns, udpSize },
})
