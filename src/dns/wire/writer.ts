import { labelsOf, nameOf } from './name.ts'

/** A compression pointer has 14 bits (RFC 1035 section 4.1.4). */
const MAX_POINTER_TARGET = 0x3fff
const MAX_LABEL_OCTETS = 63
/** Of the text of a name without escapes that has 255 octets on the wire. */
const MAX_PLAIN_LENGTH = 254

/** Memory of writers that have finished, for the next ones; larger ones are not kept. */
const spare: Uint8Array[] = []
const SPARE_OCTETS = 4096

/** Writes a message from its start on. */
export class WireWriter {
  #buffer = spare.pop() ?? new Uint8Array(SPARE_OCTETS)
  #length = 0
  /** Where the suffixes of written names stand; undefined: names are written in full. */
  readonly #suffixes: Map<string, number> | undefined

  constructor({ compress }: { readonly compress: boolean }) {
    this.#suffixes = compress ? new Map() : undefined
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    this.#grow(1)
    this.#buffer[this.#length - 1] = value
  }

  u16(value: number): void {
    this.#grow(2)
    this.setU16(this.#length - 2, value)
  }

  u32(value: number): void {
    this.#grow(4)
    this.setU16(this.#length - 4, value >>> 16)
    this.setU16(this.#length - 2, value)
  }

  bytes(bytes: Uint8Array): void {
    const start = this.#grow(bytes.length)
    this.#buffer.set(bytes, start)
  }

  setU16(offset: number, value: number): void {
    this.#buffer[offset] = value >> 8
    this.#buffer[offset + 1] = value
  }

  /**
   * A name. The letter case of suffixes must be equal for a pointer, so that every name keeps the case it was given.
   * @param compressible false for names in RDATA of types newer than RFC 1035 (RFC 3597 section 4): others may point to them,
   *   they point nowhere.
   * @throws {WireError} the text is not a name.
   */
  name(name: string, compressible = true): void {
    if (!this.#plainName(name, compressible)) this.#labels(labelsOf(name), compressible)
  }

  /** Writes a name without escapes; false when it has some, or is no name, and nothing was written. */
  #plainName(name: string, compressible: boolean): boolean {
    if (name.length > MAX_PLAIN_LENGTH || !name.endsWith('.') || name.includes('\\')) return false
    const start = this.#length
    for (let from = 0; from < name.length && name !== '.'; ) {
      if (this.#suffixes !== undefined && this.#points(name.slice(from), compressible)) return true
      const end = name.indexOf('.', from)
      if (!this.#plainLabel(name, from, end)) {
        this.#length = start
        return false
      }
      from = end + 1
    }
    this.u8(0)
    return true
  }

  #plainLabel(name: string, from: number, end: number): boolean {
    const length = end - from
    if (length === 0 || length > MAX_LABEL_OCTETS) return false
    let at = this.#grow(length + 1)
    const buffer = this.#buffer
    buffer[at++] = length
    for (let index = from; index < end; index++) {
      const octet = name.charCodeAt(index)
      if (octet > 0x7f) return false
      buffer[at++] = octet
    }
    return true
  }

  #labels(labels: readonly string[], compressible: boolean): void {
    for (const [index, label] of labels.entries()) {
      if (this.#suffixes !== undefined && this.#points(nameOf(labels.slice(index)), compressible)) {
        return
      }
      this.u8(label.length)
      for (let at = 0; at < label.length; at++) this.u8(label.charCodeAt(at))
    }
    this.u8(0)
  }

  /** Writes a pointer to where this suffix stands; false where it cannot: it stands here from now on. */
  #points(suffix: string, compressible: boolean): boolean {
    const target = this.#suffixes?.get(suffix)
    if (target !== undefined && compressible) {
      this.u16(0xc000 | target)
      return true
    }
    if (target === undefined && this.#length <= MAX_POINTER_TARGET) {
      this.#suffixes?.set(suffix, this.#length)
    }
    return false
  }

  /** Takes back what was written from `length` on. No compressed name may be written after it. */
  rewind(length: number): void {
    this.#length = length
  }

  /** A copy of what was written; nothing may be written after it. */
  finish(): Uint8Array {
    const octets = this.#buffer.slice(0, this.#length)
    if (this.#buffer.length === SPARE_OCTETS) spare.push(this.#buffer)
    this.#buffer = NO_OCTETS
    return octets
  }

  #grow(length: number): number {
    const start = this.#length
    this.#length += length
    if (this.#length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#buffer.length * 2))
      larger.set(this.#buffer.subarray(0, start))
      this.#buffer = larger
    }
    return start
  }
}

const NO_OCTETS = new Uint8Array(0)
