/**
 * The wire form of CoreDNS's service `coredns.dns.DnsService`: one unary call, whose request and answer are a message of one field
 * (`bytes msg = 1`). Written by hand: two lengths and a tag do not need a library of gRPC and one of protocol buffers.
 */

/** Octets of flag and length before each message (gRPC over HTTP/2, section Length-Prefixed-Message). */
const FRAME_OCTETS = 5
/** Field 1, length-delimited (protocol buffers encoding, section Message Structure). */
const MSG_TAG = (1 << 3) | 2

/** Statuses of gRPC that are used (gRPC core, statuscodes). */
export const GRPC_STATUS = {
  ok: 0,
  unknown: 2,
  invalidArgument: 3,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
} as const

export type GrpcStatus = (typeof GRPC_STATUS)[keyof typeof GRPC_STATUS]

/** The packet of a request body, or why there is none. */
export type GrpcRequest =
  | { readonly kind: 'packet'; readonly packet: Uint8Array }
  | { readonly kind: 'refused'; readonly status: GrpcStatus; readonly reason: string }

/** Reads the whole body of a unary call. Pure. */
export function readGrpcRequest(body: Buffer): GrpcRequest {
  if (body.length < FRAME_OCTETS) return refused('internal', 'the call has no message')
  if (body.readUInt8(0) !== 0) return refused('unimplemented', 'compression is not supported')
  if (body.readUInt32BE(1) !== body.length - FRAME_OCTETS) {
    return refused('internal', 'the call has not exactly one message')
  }
  const packet = readDnsPacket(body.subarray(FRAME_OCTETS))
  if (packet === undefined) return refused('internal', 'the message is not a coredns.dns.DnsPacket')
  return { kind: 'packet', packet }
}

const refused = (status: keyof typeof GRPC_STATUS, reason: string): GrpcRequest => ({
  kind: 'refused',
  status: GRPC_STATUS[status],
  reason,
})

/** A message with this packet, in its frame. Pure. */
export function writeGrpcAnswer(packet: Uint8Array): Uint8Array {
  const field = [MSG_TAG, ...varint(packet.length)]
  const frame = Buffer.alloc(FRAME_OCTETS + field.length)
  frame.writeUInt32BE(field.length + packet.length, 1)
  frame.set(field, FRAME_OCTETS)
  return Buffer.concat([frame, packet])
}

/** The last field 1 of a DnsPacket, empty when there is none; undefined: it is malformed. Unknown fields are passed over. */
function readDnsPacket(message: Buffer): Uint8Array | undefined {
  let packet: Uint8Array = new Uint8Array()
  let at = 0
  while (at < message.length) {
    const tag = readVarint(message, at)
    if (tag === undefined || tag.value >>> 3 === 0) return undefined
    const field = readField(message, tag.value & 7, tag.end)
    if (field === undefined || field.end > message.length) return undefined
    if (tag.value === MSG_TAG) packet = message.subarray(field.start, field.end)
    at = field.end
  }
  return packet
}

/** Where the value of a field with this wire type is. Groups, long deprecated, are not known. */
function readField(
  message: Buffer,
  wireType: number,
  start: number,
): { readonly start: number; readonly end: number } | undefined {
  if (wireType === 1) return { start, end: start + 8 }
  if (wireType === 5) return { start, end: start + 4 }
  const number = readVarint(message, start)
  if (number === undefined) return undefined
  if (wireType === 0) return { start, end: number.end }
  return wireType === 2 ? { start: number.end, end: number.end + number.value } : undefined
}

/** Seven bits an octet, the lowest first, at most ten octets; what is above 32 bits is lost, for nothing here is so long. */
function readVarint(
  message: Buffer,
  start: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  for (let at = start; at < Math.min(message.length, start + 10); at++) {
    const octet = message[at] as number
    if (at - start < 5) value += (octet & 0x7f) * 2 ** (7 * (at - start))
    if (octet < 0x80) return { value, end: at + 1 }
  }
  return undefined
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}
