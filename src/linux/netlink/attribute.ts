/**
 * A netlink attribute: a number whose meaning depends on the message, and bytes, or attributes inside it
 * (linux/netlink.h, struct nlattr).
 */
export type Attribute = {
  readonly type: number
  readonly value: Uint8Array | readonly Attribute[]
}

/** Marks an attribute that holds attributes; some messages (IFLA_PROTINFO) change their meaning by it. */
export const NLA_F_NESTED = 0x8000
/** Marks a number in network byte order, where the kernel wants to be told (ipset). */
export const NLA_F_NET_BYTEORDER = 0x4000
/** The bits of nla_type that are the type: all but NESTED and NET_BYTEORDER. */
const NLA_TYPE_MASK = 0x3fff
const HEADER_BYTES = 4

/** NLA_ALIGN: attributes and messages begin at multiples of 4. */
export const align = (length: number): number => (length + 3) & ~3

// Numbers are in host byte order, which is little endian on every machine Node's Linux builds run on (x64, arm64).

export const u8Attribute = (type: number, value: number): Attribute => ({
  type,
  value: Uint8Array.of(value),
})

export function u16Attribute(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return { type, value: bytes }
}

export function u32Attribute(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return { type, value: bytes }
}

/** A text with the ending zero byte that interface names need. */
export const textAttribute = (type: number, text: string): Attribute => ({
  type,
  value: Buffer.from(`${text}\0`),
})

/**
 * The attributes one after the other, each padded to 4 bytes.
 * @throws {RangeError} one is longer than its 16 bit length field can say.
 */
export function encodeAttributes(attributes: readonly Attribute[]): Buffer {
  return Buffer.concat(attributes.map(encodeAttribute))
}

function encodeAttribute({ type, value }: Attribute): Buffer {
  const isNested = !(value instanceof Uint8Array)
  const bytes = isNested ? encodeAttributes(value) : value
  const length = HEADER_BYTES + bytes.length
  if (length > 0xffff) throw new RangeError(`netlink attribute ${type}: ${bytes.length} bytes`)
  const encoded = Buffer.alloc(align(length))
  encoded.writeUInt16LE(length, 0)
  encoded.writeUInt16LE(isNested ? type | NLA_F_NESTED : type, 2)
  encoded.set(bytes, HEADER_BYTES)
  return encoded
}

/** Attributes by type, as views of the bytes they were read from. */
export type AttributeMap = ReadonlyMap<number, Buffer>

/**
 * The attributes in `bytes`; of several with the same type the last. Nested ones are read by another call.
 * @throws {RangeError} a length leads outside the bytes.
 */
export const decodeAttributes = (bytes: Buffer): AttributeMap => new Map(listAttributes(bytes))

/** Type and value of each attribute in `bytes`, in their order. @throws {RangeError} as {@link decodeAttributes}. */
export function listAttributes(bytes: Buffer): readonly (readonly [number, Buffer])[] {
  const attributes: (readonly [number, Buffer])[] = []
  let offset = 0
  while (offset + HEADER_BYTES <= bytes.length) {
    const length = bytes.readUInt16LE(offset)
    if (length < HEADER_BYTES || offset + length > bytes.length) {
      throw new RangeError(`netlink attribute at byte ${offset}: length ${length} does not fit`)
    }
    const type = bytes.readUInt16LE(offset + 2) & NLA_TYPE_MASK
    attributes.push([type, bytes.subarray(offset + HEADER_BYTES, offset + length)])
    offset += align(length)
  }
  return attributes
}

/** The number in an attribute of 1, 2 or 4 bytes; undefined when the attribute is missing. */
export function readUint(attributes: AttributeMap, type: number): number | undefined {
  const bytes = attributes.get(type)
  return bytes === undefined ? undefined : bytes.readUIntLE(0, bytes.length)
}

/** The text in an attribute, up to its zero byte; undefined when the attribute is missing. */
export function readText(attributes: AttributeMap, type: number): string | undefined {
  const bytes = attributes.get(type)
  if (bytes === undefined) return undefined
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end)
}

/** The attributes inside an attribute; empty when it is missing. */
export function readNested(attributes: AttributeMap, type: number): AttributeMap {
  const bytes = attributes.get(type)
  return bytes === undefined ? new Map() : decodeAttributes(bytes)
}
