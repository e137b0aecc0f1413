import { readName } from './name.ts'
import { WireError } from './wire-error.ts'

/** Reads a message from its start on; pointers in names lead into the whole message. */
export class WireReader {
  readonly #packet: Uint8Array
  readonly #end: number
  #offset: number

  constructor(packet: Uint8Array, offset = 0, end = packet.length) {
    this.#packet = packet
    this.#offset = offset
    this.#end = end
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#end - this.#offset
  }

  u8(): number {
    return this.#packet[this.#advance(1)] as number
  }

  u16(): number {
    const start = this.#advance(2)
    return ((this.#packet[start] as number) << 8) | (this.#packet[start + 1] as number)
  }

  u32(): number {
    return this.u16() * 0x10000 + this.u16()
  }

  /** A copy: a value must not hold on to a receive buffer. */
  bytes(length: number): Uint8Array {
    const start = this.#advance(length)
    return new Uint8Array(this.#packet.subarray(start, start + length))
  }

  /** A character-string: a length octet and that many octets (RFC 1035 section 3.3). */
  string(): Uint8Array {
    return this.bytes(this.u8())
  }

  name(): string {
    const { name, end } = readName(this.#packet, this.#offset)
    this.#advance(end - this.#offset)
    return name
  }

  /** A reader of the next `length` octets, which this one skips. */
  part(length: number): WireReader {
    const start = this.#advance(length)
    return new WireReader(this.#packet, start, start + length)
  }

  #advance(length: number): number {
    const start = this.#offset
    if (length > this.remaining) throw new WireError('the message is cut short')
    this.#offset = start + length
    return start
  }
}
