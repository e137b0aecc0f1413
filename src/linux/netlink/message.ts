import { align, decodeAttributes, readText } from './attribute.ts'

/** One netlink message (linux/netlink.h, struct nlmsghdr). */
export type Message = {
  readonly type: number
  readonly flags: number
  /** Chosen by the sender of a request and repeated in every part of its answer. */
  readonly sequence: number
  readonly payload: Buffer
}

/** Flags of nlmsg_flags; 0x100 and above mean something else in each kind of request. */
export const Flag = {
  request: 0x1,
  ack: 0x4,
  /** The list changed while it was read and may lack entries. */
  dumpInterrupted: 0x10,
  /** GET: list everything. */
  dump: 0x300,
  /** NEW: replace what exists. */
  replace: 0x100,
  /** NEW: fail when it exists. */
  exclusive: 0x200,
  /** NEW: create what does not exist. */
  create: 0x400,
} as const

/** Types of control messages. */
const NLMSG_ERROR = 2
const NLMSG_DONE = 3

/** Flags of an answer: the request's payload was left out of it; attributes follow. */
const NLM_F_CAPPED = 0x100
const NLM_F_ACK_TLVS = 0x200
/** The attribute with the kernel's sentence. */
const NLMSGERR_ATTR_MSG = 1

const HEADER_BYTES = 16

/** The bytes of a message; the kernel fills in the sender's port id when it is 0. */
export function encodeMessage({ type, flags, sequence, payload }: Message): Buffer {
  const bytes = Buffer.alloc(align(HEADER_BYTES + payload.length))
  bytes.writeUInt32LE(HEADER_BYTES + payload.length, 0)
  bytes.writeUInt16LE(type, 4)
  bytes.writeUInt16LE(flags, 6)
  bytes.writeUInt32LE(sequence, 8)
  bytes.set(payload, HEADER_BYTES)
  return bytes
}

/** The messages of one datagram. @throws {RangeError} a length leads outside it. */
export function decodeMessages(bytes: Buffer): readonly Message[] {
  const messages: Message[] = []
  let offset = 0
  while (offset + HEADER_BYTES <= bytes.length) {
    const length = bytes.readUInt32LE(offset)
    if (length < HEADER_BYTES || offset + length > bytes.length) {
      throw new RangeError(`netlink message at byte ${offset}: length ${length} does not fit`)
    }
    messages.push({
      type: bytes.readUInt16LE(offset + 4),
      flags: bytes.readUInt16LE(offset + 6),
      sequence: bytes.readUInt32LE(offset + 8),
      payload: bytes.subarray(offset + HEADER_BYTES, offset + length),
    })
    offset += align(length)
  }
  return messages
}

/** How a request ended. */
export type Outcome = {
  /** Positive; 0 is success. */
  readonly errno: number
  /** What the kernel says about it (extended acknowledgement), or ''. */
  readonly sentence: string
}

/** The outcome that a message announces; undefined when it is not the last of an answer. */
export function outcomeOf({ type, flags, payload }: Message): Outcome | undefined {
  if (type !== NLMSG_ERROR && type !== NLMSG_DONE) return undefined
  const errno = payload.length >= 4 ? -payload.readInt32LE(0) : 0
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, sentence: '' }
  const attributes = decodeAttributes(payload.subarray(attributesOffset(type, flags, payload)))
  return { errno, sentence: readText(attributes, NLMSGERR_ATTR_MSG) ?? '' }
}

/** Attributes follow the errno, in an error after the request's header and, unless capped, its payload. */
function attributesOffset(type: number, flags: number, payload: Buffer): number {
  if (type === NLMSG_DONE) return 4
  const requestBytes = flags & NLM_F_CAPPED ? HEADER_BYTES : payload.readUInt32LE(4)
  return 4 + align(requestBytes)
}
