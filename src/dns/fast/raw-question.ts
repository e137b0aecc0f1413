import { HEADER_OCTETS } from '../wire/header.ts'

/** A name of 255 octets, type, bits, listener, and the part of {@link RawQuestion.widen}; rounded up to whole words. */
const MAX_KEY_OCTETS = 264

/** The OPT record without options (RFC 6891 section 6.1.2), and where its parts lie. */
const OPT_OCTETS = 11
const OPT = {
  TYPE: 1,
  SIZE: 3,
  EXTENDED_RCODE: 5,
  VERSION: 6,
  FLAGS_HIGH: 7,
  FLAGS_LOW: 8,
  LENGTH: 9,
}
const TYPE_OPT = 41
const CLASS_IN = 1

/** What of a query's header is in the key, beside DO: bits of its fourth octet (RFC 4035 section 3.1.6). */
const CD = 0x10
const AD = 0x20
const RD = 0x01
const KEY_EDNS = 1
const KEY_DO = 2

/** Factors that spread bits (MurmurHash3). */
const SPREAD = [0xcc9e2d51, 0x85ebca6b, 0xc2b2ae35] as const

/** 0: this octet may not be in a name here; else the octet in lower case. Host names, and the underscore of SRV. */
const lowerCase = Uint8Array.from({ length: 256 }, (_, octet) => {
  const char = String.fromCharCode(octet)
  return /[-_0-9A-Za-z]/.test(char) ? char.toLowerCase().charCodeAt(0) : 0
})

/**
 * The question of a packet as a key of ready-made answers, read without decoding. One object reads packet after packet and
 * allocates nothing; its fields are those of the last.
 */
export class RawQuestion {
  /** The lower-cased name, the type, bits, the listener. */
  readonly key = new Uint8Array(MAX_KEY_OCTETS)
  /** The same in words; behind the key the last one has zeros. */
  readonly keyWords = new Int32Array(this.key.buffer)
  keyLength = 0
  hash = 0
  /** Of the name on the wire, its last 0 included, octets. */
  nameLength = 0
  /** Has the name no capital? */
  isLowerCase = true
  hasEdns = false
  /** What the client takes, as it says it; 0 without EDNS. */
  udpSize = 0
  /** The RD bit, in its place in the third octet of a header. */
  recursionDesired = 0
  readonly #seed: number

  /** @param seed so that no client knows which names share a place. */
  constructor(seed: number) {
    this.#seed = seed
  }

  /**
   * Reads a packet. False sends it to the slow path: whatever is not a plain query of class IN for a host name, with an OPT
   * record without options or with none.
   * @param listener its number: the same question may have another answer elsewhere.
   */
  read(packet: Uint8Array, start: number, length: number, listener: number): boolean {
    const end = start + length
    if (length < HEADER_OCTETS + 5 || !this.#isPlainHeader(packet, start)) return false
    const nameEnd = this.#readName(packet, start + HEADER_OCTETS, end)
    if (nameEnd === 0 || nameEnd + 4 > end) return false
    const { key } = this
    let at = this.nameLength
    key[at++] = packet[nameEnd] as number
    key[at++] = packet[nameEnd + 1] as number
    if (packet[nameEnd + 2] !== 0 || packet[nameEnd + 3] !== CLASS_IN) return false
    let bits = (packet[start + 3] as number) & (CD | AD)
    this.hasEdns = packet[start + 11] === 1
    this.udpSize = 0
    const questionEnd = nameEnd + 4
    if (this.hasEdns) {
      if (questionEnd + OPT_OCTETS !== end || !isPlainOpt(packet, questionEnd)) return false
      this.udpSize = u16(packet, questionEnd + OPT.SIZE)
      bits |= KEY_EDNS | (packet[questionEnd + OPT.FLAGS_HIGH] === 0 ? 0 : KEY_DO)
    } else if (questionEnd !== end) return false
    key[at++] = bits
    key[at++] = listener
    this.keyLength = at
    this.recursionDesired = (packet[start + 2] as number) & RD
    this.#hashKey()
    return true
  }

  /** Makes the key that of answers whose octets depend on how much the client takes, and on the family. */
  widen(isIpv4: boolean): void {
    const { key } = this
    key[this.keyLength++] = this.udpSize >> 8
    key[this.keyLength++] = this.udpSize & 0xff
    key[this.keyLength++] = isIpv4 ? 4 : 6
    this.#hashKey()
  }

  /** QR, opcode, AA, TC, RA, Z and rcode are zero; one question, no records but perhaps one additional. */
  #isPlainHeader(packet: Uint8Array, start: number): boolean {
    return (
      ((packet[start + 2] as number) & ~RD) === 0 &&
      ((packet[start + 3] as number) & ~(CD | AD)) === 0 &&
      u16(packet, start + 4) === 1 &&
      u16(packet, start + 6) === 0 &&
      u16(packet, start + 8) === 0 &&
      u16(packet, start + 10) <= 1
    )
  }

  /** Copies the name to the key, in lower case. Gives where it ends; 0: no plain host name. */
  #readName(packet: Uint8Array, start: number, end: number): number {
    const { key } = this
    const last = Math.min(end, start + 255)
    let at = start
    let changed = 0
    while (at < last) {
      const labelLength = packet[at] as number
      key[at - start] = labelLength
      at++
      if (labelLength === 0) {
        this.nameLength = at - start
        this.isLowerCase = changed === 0
        return at
      }
      const labelEnd = at + labelLength
      if (labelLength > 63 || labelEnd >= last) return 0
      for (; at < labelEnd; at++) {
        const given = packet[at] as number
        const octet = lowerCase[given] as number
        if (octet === 0) return 0
        changed |= octet ^ given
        key[at - start] = octet
      }
    }
    return 0
  }

  /** Word by word, so that it is quick; the seed keeps it from being foreseen. */
  #hashKey(): void {
    const { key, keyWords, keyLength } = this
    for (let at = keyLength; (at & 3) !== 0; at++) key[at] = 0
    let hash = this.#seed
    for (let word = 0; word << 2 < keyLength; word++) {
      hash = Math.imul(hash ^ Math.imul(keyWords[word] as number, SPREAD[0]), SPREAD[1])
      hash ^= hash >>> 15
    }
    hash = Math.imul(hash, SPREAD[2])
    this.hash = hash ^ (hash >>> 16)
  }
}

const u16 = (packet: Uint8Array, at: number): number =>
  ((packet[at] as number) << 8) | (packet[at + 1] as number)

/** An OPT record of version 0 with no flag but DO and no options. */
const isPlainOpt = (packet: Uint8Array, at: number): boolean =>
  packet[at] === 0 &&
  u16(packet, at + OPT.TYPE) === TYPE_OPT &&
  packet[at + OPT.EXTENDED_RCODE] === 0 &&
  packet[at + OPT.VERSION] === 0 &&
  ((packet[at + OPT.FLAGS_HIGH] as number) & 0x7f) === 0 &&
  packet[at + OPT.FLAGS_LOW] === 0 &&
  u16(packet, at + OPT.LENGTH) === 0
