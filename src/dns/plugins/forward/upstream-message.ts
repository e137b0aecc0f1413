import { NodeplaneError } from '#runtime/error.ts'
import { type Message, type Query, type Reply, reply } from '../../message.ts'
import { decodeMessage } from '../../wire/decode.ts'
import { encodeMessage } from '../../wire/encode.ts'

/** A server could not be asked, or its answer not be read. */
export class ForwardError extends NodeplaneError {
  readonly code = 'ERR_DNS_FORWARD'
}

/** The largest datagram a client without EDNS takes (RFC 1035 section 4.2.1), octets. */
const MIN_UDP_SIZE = 512

/** The question as it goes to a server: the client's, with its flags and EDNS, under an ID of its own. */
export const encodeQuestion = (query: Query, id: number): Uint8Array =>
  encodeMessage({
    ...reply(),
    id,
    opcode: query.opcode,
    isResponse: false,
    recursionDesired: query.recursionDesired,
    checkingDisabled: query.checkingDisabled,
    authenticData: query.authenticData,
    question: query.question,
    edns: query.edns,
  })

/**
 * The server's answer that a packet holds, or undefined when the packet is none: whoever guesses wrong must neither be
 * believed nor end the wait (CVE-2023-28452). One with the right ID to another question is FORMERR, as in CoreDNS.
 * @throws {ForwardError} the packet has the right ID and cannot be read.
 */
export function readAnswer(packet: Uint8Array, id: number, query: Query): Reply | undefined {
  if (packet.length < 2 || (((packet[0] as number) << 8) | (packet[1] as number)) !== id) {
    return undefined
  }
  const decoded = decodeMessage(packet)
  if (decoded.kind === 'malformed') {
    throw new ForwardError(`reading the answer: ${decoded.reason}`)
  }
  const { message } = decoded
  if (!message.isResponse) return undefined
  if (!isSameQuestion(message, query)) return reply({ rcode: 'FORMERR' })
  return replyFrom(message)
}

const isSameQuestion = ({ question }: Message, { question: asked }: Query): boolean =>
  question !== undefined &&
  question.name.toLowerCase() === asked.name.toLowerCase() &&
  question.type === asked.type &&
  question.class === asked.class

const replyFrom = (message: Message): Reply => ({
  rcode: message.rcode,
  authoritative: message.authoritative,
  truncated: message.truncated,
  recursionAvailable: message.recursionAvailable,
  authenticData: message.authenticData,
  answers: message.answers,
  authorities: message.authorities,
  additionals: message.additionals,
  ednsOptions: message.edns?.options ?? [],
})

/** Was a datagram larger than the query allows? Then the client is told to come back by TCP. */
export const isOversize = (packet: Uint8Array, { edns }: Query): boolean =>
  packet.length > Math.max(MIN_UDP_SIZE, edns?.udpSize ?? 0)
