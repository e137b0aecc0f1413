import type { Message, Question } from '../message.ts'
import { decodeMessage } from '../wire/decode.ts'
import { bareReply, FLAG, HEADER_OCTETS } from '../wire/header.ts'
import { rcodes } from '../wire/mnemonics.ts'

/** A message that has its question. */
export type QueryMessage = Message & { readonly question: Question }

/** What to do with a packet: nothing, an answer that needs no reading, or a query to answer. */
export type Acceptance =
  | { readonly kind: 'drop' }
  | { readonly kind: 'refuse'; readonly packet: Uint8Array }
  | { readonly kind: 'query'; readonly message: QueryMessage }

const OPCODE_QUERY = 0
const OPCODE_NOTIFY = 4

/**
 * Judges a packet by its header before anything else of it is read (miekg/dns's default accept function, which CoreDNS uses). A
 * response is never answered: two servers could keep each other busy.
 */
export function acceptPacket(packet: Uint8Array): Acceptance {
  if (packet.length < HEADER_OCTETS) return { kind: 'drop' }
  const header = new DataView(packet.buffer, packet.byteOffset, HEADER_OCTETS)
  const flags = header.getUint16(2)
  if ((flags & FLAG.QR) !== 0) return { kind: 'drop' }
  const opcode = (flags >> 11) & 0xf
  if (opcode !== OPCODE_QUERY && opcode !== OPCODE_NOTIFY) return refuse(packet, 'NOTIMP')
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map(at =>
    header.getUint16(at),
  )
  // IXFR has a record in authority, NOTIFY one in answer; additional holds OPT and TSIG.
  const fits =
    questions === 1 && (answers ?? 0) <= 1 && (authorities ?? 0) <= 1 && (additionals ?? 0) <= 2
  const decoded = fits ? decodeMessage(packet) : undefined
  if (decoded?.kind !== 'message') return refuse(packet, 'FORMERR')
  const { message } = decoded
  // Exactly one question was counted, so it is there.
  return { kind: 'query', message: message as QueryMessage }
}

const refuse = (packet: Uint8Array, rcode: 'NOTIMP' | 'FORMERR'): Acceptance => ({
  kind: 'refuse',
  packet: bareReply(packet, rcodes.toNumber(rcode) ?? 0),
})
