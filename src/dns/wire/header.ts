/** Octets of a message's header (RFC 1035 section 4.1.1). */
export const HEADER_OCTETS = 12

/** Bits of the second word of the header (RFC 1035 section 4.1.1, RFC 4035 section 3.1.6), and DO of the OPT record's TTL. */
export const FLAG = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
  DO: 0x8000,
} as const

/** The header of a query that is refused without being read: the ID and RD are kept, every section is empty. */
export function bareReply(packet: Uint8Array, rcode: number): Uint8Array {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  const reply = new Uint8Array(HEADER_OCTETS)
  const out = new DataView(reply.buffer)
  out.setUint16(0, view.getUint16(0))
  const kept = view.getUint16(2) & (OPCODE_BITS | FLAG.RD)
  out.setUint16(2, FLAG.QR | kept | rcode)
  return reply
}

const OPCODE_BITS = 0x7800
