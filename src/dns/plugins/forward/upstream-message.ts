import { NodeplaneError } from '#runtime/error.ts'
import {
  type Message,
  type Query,
  type Reply,
  reply,
  sectionsOf,
  type Transport,
} from '../../message.ts'
import { decodeMessage } from '../../wire/decode.ts'
import { encodeMessage } from '../../wire/encode.ts'
import { HEADER_OCTETS } from '../../wire/header.ts'

/** A server could not be asked, or its answer not be read. */
export class ForwardError extends NodeplaneError {
  readonly code = 'ERR_DNS_FORWARD'
}

/** The largest datagram a client without EDNS takes (RFC 1035 section 4.2.1), octets. */
const MIN_UDP_SIZE = 512
const TYPE_AND_CLASS_OCTETS = 4
/** Parts of the octets with the flags. */
const QR = 0x80
const RCODE = 0x0f
/** FORMERR, SERVFAIL, NOTIMP, REFUSED. */
const ERRORS_WITHOUT_QUESTION: ReadonlySet<number> = new Set([1, 2, 4, 5])

/** A question as it goes to servers. */
export type Asked = {
  readonly query: Query
  /** The client's question with its flags and EDNS, under ID 0. */
  readonly packet: Uint8Array
  /** Where the name of the question ends in the packet. */
  readonly nameEnd: number
}

/** @throws {WireError} the question has no octets. */
export function toAsk(query: Query): Asked {
  const packet = encodeMessage({
    ...reply(),
    id: 0,
    opcode: query.opcode,
    isResponse: false,
    recursionDesired: query.recursionDesired,
    checkingDisabled: query.checkingDisabled,
    authenticData: query.authenticData,
    question: query.question,
    edns: query.edns,
  })
  let nameEnd = HEADER_OCTETS
  while (packet[nameEnd] !== 0) nameEnd += 1 + (packet[nameEnd] as number)
  return { query, packet, nameEnd: nameEnd + 1 }
}

/**
 * The server's answer that a packet holds, or undefined when the packet is none: whoever guesses wrong must neither be believed nor
 * end the wait (CVE-2023-28452). Over a connection nobody guesses: one to another question is FORMERR there, as in CoreDNS.
 * @throws {ForwardError} the packet is an answer to the question and cannot be read.
 */
export function readAnswer(
  packet: Uint8Array,
  asked: Asked,
  transport: Transport,
): Reply | undefined {
  if (packet.length < HEADER_OCTETS || ((packet[2] as number) & QR) === 0) return undefined
  if (!isAbout(packet, asked)) return transport === 'udp' ? undefined : reply({ rcode: 'FORMERR' })
  const decoded = decodeMessage(packet)
  if (decoded.kind === 'malformed') {
    throw new ForwardError(`reading the answer: ${decoded.reason}`)
  }
  const answer = replyFrom(decoded.message)
  return transport === 'udp' && isOversize(packet, asked.query)
    ? { ...answer, truncated: true }
    : answer
}

/**
 * Has the packet the question that was asked, in whatever letter case (RFC 5452 section 9.1)? A server that cannot read a question
 * answers by an error without one.
 */
function isAbout(packet: Uint8Array, { packet: asked, nameEnd }: Asked): boolean {
  const questions = ((packet[4] as number) << 8) | (packet[5] as number)
  if (questions === 0) return ERRORS_WITHOUT_QUESTION.has((packet[3] as number) & RCODE)
  if (questions !== 1) return false
  const end = nameEnd + TYPE_AND_CLASS_OCTETS
  for (let at = HEADER_OCTETS; at < nameEnd; at++) {
    if (lowerCase(packet[at]) !== lowerCase(asked[at])) return false
  }
  for (let at = nameEnd; at < end; at++) if (packet[at] !== asked[at]) return false
  return true
}

/** Lengths of labels are below the letters. */
const lowerCase = (octet = 0): number => (octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet)

const replyFrom = (message: Message): Reply => ({
  ...sectionsOf(message),
  ednsOptions: message.edns?.options ?? [],
})

/** Was a datagram larger than the query allows? Then the client is told to come back by TCP. */
const isOversize = (packet: Uint8Array, { edns }: Query): boolean =>
  packet.length > Math.max(MIN_UDP_SIZE, edns?.udpSize ?? 0)
