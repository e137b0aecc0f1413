import { SystemCallError } from './libc.ts'
import { answerFromWhereAsked, isIpv4Name } from './udp-batch-address.ts'
import { type BatchLibc, batchLibc } from './udp-batch-libc.ts'

/** Octets of struct mmsghdr and struct iovec on 64-bit machines, and of room for names and control messages. */
const HEADER_OCTETS = 64
const IOVEC_OCTETS = 16
const NAME_OCTETS = 32
const CONTROL_OCTETS = 64
/** struct mmsghdr in words of 32 bits. */
const HEADER_WORDS = HEADER_OCTETS / 4
const WORD = { NAME_LENGTH: 2, CONTROL_LENGTH: 10, FLAGS: 12, LENGTH: 14 } as const
const IOVEC_WORDS = IOVEC_OCTETS / 4
const IOVEC_LENGTH_WORD = 2

const MSG_DONTWAIT = 0x40
const MSG_WAITFORONE = 0x10000
/** Errnos after which it goes on as if nothing had come: a signal, the end of the wait, an ICMP message (asm-generic/errno.h). */
const PASSING_ERRNOS: ReadonlySet<number> = new Set([4, 11, 111, 113])

type Sizes = {
  /** Packets in one call. */
  readonly count: number
  /** Longer packets are cut. This and the next are multiples of 8. */
  readonly receiveOctets: number
  readonly sendOctets: number
}

/**
 * The memory of `recvmmsg` and `sendmmsg`, laid out once: packet i, its answer i, its client i. Receiving and answering allocate
 * nothing. Answers go to where their packet came from, from the address it was sent to.
 */
export class MessageBatch {
  readonly sizes: Sizes
  /** All of it; the places below lie in it. */
  readonly memory: Uint8Array
  readonly #fd: number
  readonly #libc: BatchLibc
  readonly #words: Int32Array
  readonly #base: number
  readonly #at: Layout
  #received: number

  constructor(fd: number, sizes: Sizes) {
    this.sizes = sizes
    this.#fd = fd
    this.#libc = batchLibc()
    this.#at = layoutOf(sizes)
    const memory = new ArrayBuffer(this.#at.end)
    this.memory = new Uint8Array(memory)
    this.#words = new Int32Array(memory)
    this.#base = this.#libc.address(memory)
    this.#linkHeaders(new BigUint64Array(memory))
    this.#received = sizes.count
  }

  /** Octets before packet i's. */
  packetAt(index: number): number {
    return this.#at.packets + index * this.sizes.receiveOctets
  }

  packetLength(index: number): number {
    return this.#received <= index
      ? 0
      : (this.#words[this.#receiveWord(index) + WORD.LENGTH] as number)
  }

  /** Octets before answer i's. */
  answerAt(index: number): number {
    return this.#at.answers + index * this.sizes.sendOctets
  }

  /** The client of packet i, as a struct sockaddr. */
  name(index: number): Uint8Array {
    const start = this.nameAt(index)
    return this.memory.subarray(start, start + this.nameLength(index))
  }

  /** Octets before the client of packet i, a multiple of 8. */
  nameAt(index: number): number {
    return this.#at.names + index * NAME_OCTETS
  }

  /** 0: there is no client; the socket was shut down. */
  nameLength(index: number): number {
    return this.#words[this.#receiveWord(index) + WORD.NAME_LENGTH] as number
  }

  isIpv4(index: number): boolean {
    return isIpv4Name(this.memory, this.nameAt(index))
  }

  /** Where packet i was sent to, as control messages; empty on a socket with an address. */
  control(index: number): Uint8Array {
    const start = this.#at.controls + index * CONTROL_OCTETS
    const length = this.#words[this.#receiveWord(index) + WORD.CONTROL_LENGTH] as number
    return this.memory.subarray(start, start + length)
  }

  /**
   * Waits for packets and takes what there is, up to the size of the batch; 0 when nothing came for a while.
   * @throws {SystemCallError}
   */
  receive(): number {
    const words = this.#words
    for (let index = 0; index < this.#received; index++) {
      const header = this.#receiveWord(index)
      words[header + WORD.NAME_LENGTH] = NAME_OCTETS
      words[header + WORD.CONTROL_LENGTH] = CONTROL_OCTETS
      words[header + WORD.FLAGS] = 0
    }
    const { count } = this.sizes
    const address = this.#base + this.#at.receiveHeaders
    const received = this.#libc.recvmmsg(this.#fd, address, count, MSG_WAITFORONE, 0)
    this.#received = Math.max(0, received)
    if (received >= 0) return received
    const errno = this.#libc.errno()
    if (PASSING_ERRNOS.has(errno)) return 0
    throw new SystemCallError('recvmmsg', errno)
  }

  /** Says that answer i is there and how long it is. */
  setAnswer(index: number, length: number): void {
    const words = this.#words
    const received = this.#receiveWord(index)
    const header = this.#sendWord(index)
    words[header + WORD.NAME_LENGTH] = words[received + WORD.NAME_LENGTH] as number
    const controlLength = words[received + WORD.CONTROL_LENGTH] as number
    words[header + WORD.CONTROL_LENGTH] = controlLength
    if (controlLength > 0) {
      answerFromWhereAsked(this.memory, this.#at.controls + index * CONTROL_OCTETS)
    }
    words[this.#at.sendIovecs / 4 + index * IOVEC_WORDS + IOVEC_LENGTH_WORD] = length
  }

  /** Sends answers `from` to before `to`. What the kernel does not take is lost, as a datagram may be. */
  send(from: number, to: number): void {
    for (let next = from; next < to; ) {
      const address = this.#base + this.#at.sendHeaders + next * HEADER_OCTETS
      const sent = this.#libc.sendmmsg(this.#fd, address, to - next, MSG_DONTWAIT)
      // It stops at the first one that fails, and fails when that is the first.
      next += Math.max(1, sent)
    }
  }

  /** Makes answer i one to a packet of another batch of this socket: `name` and `control` are that batch's. */
  putAnswer(index: number, answer: Uint8Array, to: PacketSource): void {
    const words = this.#words
    const received = this.#receiveWord(index)
    this.memory.set(to.name, this.#at.names + index * NAME_OCTETS)
    this.memory.set(to.control, this.#at.controls + index * CONTROL_OCTETS)
    this.memory.set(answer, this.answerAt(index))
    words[received + WORD.NAME_LENGTH] = to.name.length
    words[received + WORD.CONTROL_LENGTH] = to.control.length
    this.setAnswer(index, answer.length)
  }

  #receiveWord(index: number): number {
    return this.#at.receiveHeaders / 4 + index * HEADER_WORDS
  }

  #sendWord(index: number): number {
    return this.#at.sendHeaders / 4 + index * HEADER_WORDS
  }

  /** Writes the pointers, which never change: message i of both directions has the same name and control message. */
  #linkHeaders(longs: BigUint64Array): void {
    const { count, receiveOctets } = this.sizes
    const at = this.#at
    const pointer = (offset: number) => BigInt(this.#base + offset)
    for (let index = 0; index < count; index++) {
      for (const [headers, iovecs, data] of [
        [at.receiveHeaders, at.receiveIovecs, this.packetAt(index)],
        [at.sendHeaders, at.sendIovecs, this.answerAt(index)],
      ] as const) {
        const header = (headers + index * HEADER_OCTETS) / 8
        const iovec = (iovecs + index * IOVEC_OCTETS) / 8
        longs[header] = pointer(at.names + index * NAME_OCTETS)
        longs[header + 2] = pointer(iovecs + index * IOVEC_OCTETS)
        longs[header + 3] = 1n
        longs[header + 4] = pointer(at.controls + index * CONTROL_OCTETS)
        longs[iovec] = pointer(data)
        longs[iovec + 1] = BigInt(receiveOctets)
      }
    }
  }
}

/** Where a packet came from, as a struct sockaddr, and where it was sent to, as control messages. */
type PacketSource = { readonly name: Uint8Array; readonly control: Uint8Array }

type Layout = ReturnType<typeof layoutOf>

/** Offsets in octets, each a multiple of 8. */
function layoutOf({ count, receiveOctets, sendOctets }: Sizes) {
  const receiveHeaders = 0
  const sendHeaders = receiveHeaders + count * HEADER_OCTETS
  const receiveIovecs = sendHeaders + count * HEADER_OCTETS
  const sendIovecs = receiveIovecs + count * IOVEC_OCTETS
  const names = sendIovecs + count * IOVEC_OCTETS
  const controls = names + count * NAME_OCTETS
  const packets = controls + count * CONTROL_OCTETS
  const answers = packets + count * receiveOctets
  const end = answers + count * sendOctets
  return {
    receiveHeaders,
    sendHeaders,
    receiveIovecs,
    sendIovecs,
    names,
    controls,
    packets,
    answers,
    end,
  }
}
