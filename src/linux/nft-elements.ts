import { ipFromBytes } from '#net/ip.ts'
import { align, decodeAttributes, readText } from './netlink/attribute.ts'

/** What passed an element that counts. */
export type NftCounter = { readonly packets: number; readonly bytes: number }

/** A map or set, as far as it takes to read its elements. */
export type NftSet = {
  readonly name: string
  readonly key: readonly Field[]
  /** Nothing in a set. */
  readonly data: readonly Field[] | 'verdict'
  /** Its elements come from packets: there may be very many. */
  readonly isDynamic: boolean
  /** Ranges are listed as two elements each, where they begin and where they have ended: see `nft-ranges.ts`. */
  readonly isSplit: boolean
}

/** An element: key and value (empty in a set) as nft writes them: `10.0.0.1 . tcp . 80`, `goto lb-2`. */
export type NftElement = {
  readonly key: string
  readonly value: string
  readonly counter: NftCounter | undefined
}

/** In a split set: the range before it has ended at this key, or one begins there. */
export type Bound = { readonly at: bigint; readonly isEnd: boolean }

/** From key to key, both in it. */
export type Bounded = { readonly first: bigint; readonly last: bigint }

/** A part of a key or value, in the bytes from `at` on. */
type Field = {
  readonly bytes: number
  readonly text: (bytes: Buffer, at: number) => string
  readonly isAddress?: boolean
}

/** Bytes of struct nfgenmsg: family u8, version u8, resource id u16. */
export const NFGENMSG_BYTES = 4

/** NFTA_SET_…, NFTA_SET_ELEM_LIST_…, NFTA_SET_ELEM_…, NFTA_DATA_…, NFTA_VERDICT_… (linux/netfilter/nf_tables.h). */
export const SetAttribute = { table: 1, name: 2, flags: 3, keyType: 4, dataType: 6 } as const
export const ListAttribute = { table: 1, set: 2, elements: 3 } as const
const ElementAttribute = { key: 1, data: 2, flags: 3, expression: 7, keyEnd: 10 } as const
const DataAttribute = { value: 1, verdict: 2 } as const
const VerdictAttribute = { code: 1, chain: 2 } as const
/** NFTA_EXPR_DATA, and NFTA_COUNTER_…: big-endian numbers of 64 bits. */
const EXPRESSION_DATA = 2
const CounterAttribute = { bytes: 1, packets: 2 } as const

/** NFT_SET_ELEM_…: the range before has ended here. */
const ELEMENT_ENDS = 0x1

/** NFT_SET_… */
const SetFlag = { anonymous: 0x1, interval: 0x4, dynamic: 0x20, concat: 0x80 } as const
/** NFT_DATA_VERDICT: the type of data that is a verdict. */
const DATA_VERDICT = 0xffffff00

/** NFT_JUMP and NFT_GOTO; other verdicts are not found in maps of ours. */
const verdicts: Readonly<Record<number, string>> = { [-3]: 'jump', [-4]: 'goto' }
const protocols: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' }

/**
 * nft's own numbers for types (libnftables, enum datatypes); the kernel keeps them for it. A number in host order is what
 * expressions like numgen make, and the halves of a packet priority.
 */
const fieldTypes: Readonly<Record<number, Field>> = {
  4: { bytes: 4, text: (bytes, at) => String(bytes.readUInt32LE(at)) },
  7: {
    bytes: 4,
    text: (b, at) => `${b[at]}.${b[at + 1]}.${b[at + 2]}.${b[at + 3]}`,
    isAddress: true,
  },
  8: { bytes: 16, text: (b, at) => ipFromBytes(b.subarray(at, at + 16)), isAddress: true },
  12: { bytes: 1, text: (bytes, at) => protocols[bytes[at] as number] ?? String(bytes[at]) },
  13: { bytes: 2, text: (bytes, at) => String(bytes.readUInt16BE(at)) },
  23: {
    bytes: 4,
    text: (b, at) => `${b.readUInt16LE(at + 2).toString(16)}:${b.readUInt16LE(at).toString(16)}`,
  },
}

/** Bits of one type in the number of a concatenation, the last one lowest. */
const TYPE_BITS = 6

/** The set that a message describes; undefined for one that has no name of its own or holds what is not known here. */
export function decodeSet(payload: Buffer): NftSet | undefined {
  const attributes = decodeAttributes(payload.subarray(NFGENMSG_BYTES))
  const number = (type: number) => attributes.get(type)?.readUInt32BE() ?? 0
  const flags = number(SetAttribute.flags)
  const name = readText(attributes, SetAttribute.name) ?? ''
  const isVerdict = number(SetAttribute.dataType) === DATA_VERDICT
  const key = fieldsOf(number(SetAttribute.keyType))
  const data = isVerdict ? 'verdict' : fieldsOf(number(SetAttribute.dataType))
  const isSplit = (flags & (SetFlag.interval | SetFlag.concat)) === SetFlag.interval
  if ((flags & SetFlag.anonymous) !== 0 || key === undefined || data === undefined) return undefined
  // Nothing of ours maps ranges to values.
  if (isSplit && data.length > 0) return undefined
  return { name, key, data, isDynamic: (flags & SetFlag.dynamic) !== 0, isSplit }
}

function fieldsOf(types: number): readonly Field[] | undefined {
  const fields: Field[] = []
  for (let rest = types; rest !== 0; rest >>>= TYPE_BITS) {
    const field = fieldTypes[rest & ((1 << TYPE_BITS) - 1)]
    if (field === undefined) return undefined
    fields.unshift(field)
  }
  return fields
}

/**
 * The elements in a part of a listing. By offsets, since there are tens of thousands and a view of bytes costs more than
 * what is in it. @throws {RangeError} a length leads outside the bytes.
 */
export function* decodeElements(payload: Buffer, set: NftSet): Generator<NftElement> {
  const message = { at: NFGENMSG_BYTES, end: payload.length }
  const list = find(payload, message, ListAttribute.elements)
  if (list === undefined) return
  for (const element of spansIn(payload, list)) yield decodeElement(payload, element, set)
}

/** Where ranges begin and where they have ended: the parts of a listing of a split set. @throws {RangeError} */
export function* decodeBounds(payload: Buffer, { key: [field] }: NftSet): Generator<Bound> {
  const message = { at: NFGENMSG_BYTES, end: payload.length }
  const list = find(payload, message, ListAttribute.elements)
  if (list === undefined || field === undefined) return
  for (const element of spansIn(payload, list)) {
    const span = valueOf(payload, find(payload, element, ElementAttribute.key))
    const flags = find(payload, element, ElementAttribute.flags)
    if (span === undefined || span.at + field.bytes > span.end) {
      throw new RangeError('a set element is shorter than its type')
    }
    const isEnd = flags !== undefined && (payload.readUInt32BE(flags.at) & ELEMENT_ENDS) !== 0
    yield { at: BigInt(`0x${payload.toString('hex', span.at, span.at + field.bytes)}`), isEnd }
  }
}

/** The text of what lies between bounds, as {@link NftElement} has it. */
export function boundedText({ first, last }: Bounded, { key: [field] }: NftSet): string {
  if (field === undefined) return ''
  const hex = [first, last].map(bound => bound.toString(16).padStart(field.bytes * 2, '0'))
  return fieldRange(Buffer.from(hex.join(''), 'hex'), { at: 0, last: field.bytes }, field)
}

function decodeElement(bytes: Buffer, element: Span, { key, data }: NftSet): NftElement {
  const start = valueOf(bytes, find(bytes, element, ElementAttribute.key))
  const end = valueOf(bytes, find(bytes, element, ElementAttribute.keyEnd))
  const value = find(bytes, element, ElementAttribute.data)
  return {
    key: end === undefined ? textOf(bytes, start, key) : rangeOf(bytes, { start, end }, key),
    value:
      data === 'verdict' ? verdictOf(bytes, value) : textOf(bytes, valueOf(bytes, value), data),
    counter: counterOf(bytes, element),
  }
}

function textOf(bytes: Buffer, span: Span | undefined, fields: readonly Field[]): string {
  if (span === undefined) return ''
  let text = ''
  let { at } = span
  for (const field of fields) {
    if (at + field.bytes > span.end) throw new RangeError('a set element is shorter than its type')
    text = text === '' ? field.text(bytes, at) : `${text} . ${field.text(bytes, at)}`
    at += align(field.bytes)
  }
  return text
}

/** A concatenation of which some fields are prefixes. */
function rangeOf(
  bytes: Buffer,
  { start, end }: { readonly start: Span | undefined; readonly end: Span },
  fields: readonly Field[],
): string {
  let offset = 0
  return fields
    .map(field => {
      const [at, last] = [(start?.at ?? end.at) + offset, end.at + offset]
      if (last + field.bytes > end.end) throw new RangeError('a range is shorter than its type')
      offset += align(field.bytes)
      return fieldRange(bytes, { at, last }, field)
    })
    .join(' . ')
}

function fieldRange(
  bytes: Buffer,
  { at, last }: { readonly at: number; readonly last: number },
  field: Field,
): string {
  const first = field.text(bytes, at)
  const bits = field.bytes * 8
  const isOne = (bit: number, from: number) =>
    (((bytes[from + (bit >> 3)] as number) >> (7 - (bit & 7))) & 1) === 1
  let length = 0
  while (length < bits && isOne(length, at) === isOne(length, last)) length++
  if (length === bits) return first
  for (let bit = length; bit < bits; bit++) {
    if (isOne(bit, at) || !isOne(bit, last)) return `${first}-${field.text(bytes, last)}`
  }
  return field.isAddress ? `${first}/${length}` : `${first}-${field.text(bytes, last)}`
}

function verdictOf(bytes: Buffer, data: Span | undefined): string {
  const verdict = data && find(bytes, data, DataAttribute.verdict)
  const code = verdict && find(bytes, verdict, VerdictAttribute.code)
  const chain = verdict && find(bytes, verdict, VerdictAttribute.chain)
  if (code === undefined) return ''
  const number = bytes.readInt32BE(code.at)
  const verb = verdicts[number] ?? String(number)
  // The name ends with a zero byte.
  return chain === undefined ? verb : `${verb} ${bytes.toString('latin1', chain.at, chain.end - 1)}`
}

function counterOf(bytes: Buffer, element: Span): NftCounter | undefined {
  const expression = find(bytes, element, ElementAttribute.expression)
  const counter = expression && find(bytes, expression, EXPRESSION_DATA)
  if (counter === undefined) return undefined
  const number = (type: number) => {
    const span = find(bytes, counter, type)
    return span === undefined || span.end - span.at < 8 ? 0 : Number(bytes.readBigUInt64BE(span.at))
  }
  return { packets: number(CounterAttribute.packets), bytes: number(CounterAttribute.bytes) }
}

/** Where the value of an attribute lies. */
type Span = { readonly at: number; readonly end: number }

const HEADER_BYTES = 4
const NLA_TYPE_MASK = 0x3fff

const valueOf = (bytes: Buffer, data: Span | undefined): Span | undefined =>
  data && find(bytes, data, DataAttribute.value)

/** The first attribute of a type. */
function find(bytes: Buffer, within: Span, type: number): Span | undefined {
  let { at } = within
  while (at + HEADER_BYTES <= within.end) {
    const end = endOf(bytes, at, within)
    if ((bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK) === type) return { at: at + HEADER_BYTES, end }
    at += align(end - at)
  }
  return undefined
}

/** The values of all attributes, one after the other. */
function* spansIn(bytes: Buffer, within: Span): Generator<Span> {
  let { at } = within
  while (at + HEADER_BYTES <= within.end) {
    const end = endOf(bytes, at, within)
    yield { at: at + HEADER_BYTES, end }
    at += align(end - at)
  }
}

function endOf(bytes: Buffer, at: number, within: Span): number {
  const length = bytes.readUInt16LE(at)
  if (length < HEADER_BYTES || at + length > within.end) {
    throw new RangeError(`netlink attribute at byte ${at}: length ${length} does not fit`)
  }
  return at + length
}
