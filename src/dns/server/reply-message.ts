import { familyOf } from '#net/ip.ts'
import type { EdnsOption, Message, Query, Reply } from '../message.ts'
import { type EncodeOptions, encodeMessage, MAX_MESSAGE_OCTETS } from '../wire/encode.ts'
import { rcodes } from '../wire/mnemonics.ts'

/** UDP answers to clients that do not say more (RFC 1035 section 4.2.1), octets. */
const MIN_UDP_OCTETS = 512
/** What a UDP datagram over IPv4 can carry at most, octets. */
const MAX_UDP_OCTETS = 65_507
/** Above this a UDP answer is compressed to spare fragments, octets: CoreDNS's numbers, Ethernet's MTU and IPv6's least. */
const COMPRESS_ABOVE_OCTETS = { 4: 1480, 6: 1220 } as const

/** Options of the query that come back as they are: NSID, EXPIRE, COOKIE, TCP-KEEPALIVE, PADDING; as in CoreDNS. */
const ECHOED_OPTIONS: ReadonlySet<number> = new Set([3, 9, 10, 11, 12])

/** The octets of the answer to `query`. @throws {WireError} a plugin put something into `reply` that has no octets. */
export const encodeReply = (query: Query, reply: Reply): Uint8Array =>
  encodeMessage(replyMessage(query, reply), encodeOptions(query, reply))

function replyMessage(query: Query, reply: Reply): Message {
  const { id, opcode, question, edns } = query
  const needsEdns = (rcodes.toNumber(reply.rcode) ?? 0) > 0xf
  return {
    id,
    opcode,
    isResponse: true,
    authoritative: reply.authoritative,
    truncated: reply.truncated,
    recursionDesired: reply.recursionDesired ?? query.recursionDesired,
    recursionAvailable: reply.recursionAvailable,
    authenticData: reply.authenticData,
    checkingDisabled: query.checkingDisabled && opcode === 'QUERY',
    // An extended rcode cannot be told to a client that sent no OPT record.
    rcode: needsEdns && edns === undefined ? 'SERVFAIL' : reply.rcode,
    question,
    answers: reply.answers,
    authorities: reply.authorities,
    additionals: reply.additionals,
    edns: edns && {
      version: 0,
      udpSize: Math.min(edns.udpSize, reply.maxUdpSize ?? edns.udpSize),
      dnssecOk: edns.dnssecOk,
      options: replyOptions(edns.options, reply.ednsOptions),
    },
  }
}

function replyOptions(
  asked: readonly EdnsOption[],
  set: readonly EdnsOption[],
): readonly EdnsOption[] {
  const codes = new Set(set.map(({ code }) => code))
  const echoed = asked.filter(({ code }) => ECHOED_OPTIONS.has(code) && !codes.has(code))
  return [...echoed, ...set]
}

function encodeOptions({ transport, edns, client }: Query, reply: Reply): EncodeOptions {
  if (transport !== 'udp') return { maxOctets: MAX_MESSAGE_OCTETS }
  const asked = Math.min(edns?.udpSize ?? 0, reply.maxUdpSize ?? MAX_UDP_OCTETS)
  const wanted = Math.max(MIN_UDP_OCTETS, asked)
  return {
    maxOctets: Math.min(MAX_UDP_OCTETS, wanted),
    compressAboveOctets: Math.min(wanted, COMPRESS_ABOVE_OCTETS[familyOf(client.address)]),
  }
}
