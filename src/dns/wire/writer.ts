import { labelsOf } from './name.ts'

/** A compression pointer has 14 bits (RFC 1035 section 4.1.4). */
const MAX_POINTER_TARGET = 0x3fff
/** Parts labels in the keys of suffixes: no octet is this character. */
const SEPARATOR = '\u0100'

/** Writes a message from its start on. */
export class WireWriter {
  #buffer = Buffer.allocUnsafe(512)
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
    const start = this.#grow(1)
    this.#buffer.writeUInt8(value, start)
  }

  u16(value: number): void {
    const start = this.#grow(2)
    this.#buffer.writeUInt16BE(value, start)
  }

  u32(value: number): void {
    const start = this.#grow(4)
    this.#buffer.writeUInt32BE(value, start)
  }

  bytes(bytes: Uint8Array): void {
    const start = this.#grow(bytes.length)
    this.#buffer.set(bytes, start)
  }

  setU16(offset: number, value: number): void {
    this.#buffer.writeUInt16BE(value, offset)
  }

  /**
   * A name. The letter case of suffixes must be equal for a pointer, so that every name keeps the case it was given.
   * @param compressible false for names in RDATA of types newer than RFC 1035 (RFC 3597 section 4): others may point to them,
   *   they point nowhere.
   * @throws {WireError} the text is not a name.
   */
  name(name: string, compressible = true): void {
    const labels = labelsOf(name)
    for (let index = 0; index < labels.length; index++) {
      const suffix = this.#suffixes === undefined ? '' : labels.slice(index).join(SEPARATOR)
      const target = compressible ? this.#suffixes?.get(suffix) : undefined
      if (target !== undefined) {
        this.u16(0xc000 | target)
        return
      }
      if (this.#length <= MAX_POINTER_TARGET && !this.#suffixes?.has(suffix)) {
        this.#suffixes?.set(suffix, this.#length)
      }
      const label = labels[index] as string
      this.u8(label.length)
      const start = this.#grow(label.length)
      this.#buffer.write(label, start, 'latin1')
    }
    this.u8(0)
  }

  /** Takes back what was written from `length` on. No compressed name may be written after it. */
  rewind(length: number): void {
    this.#length = length
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return new Uint8Array(this.#buffer.subarray(0, this.#length))
  }

  #grow(length: number): number {
    const start = this.#length
    this.#length += length
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, this.#buffer.length * 2))
      larger.set(this.#buffer.subarray(0, start))
      this.#buffer = larger
    }
    return start
  }
}
