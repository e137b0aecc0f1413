import { MessageBatch } from '#linux/udp-batch-messages.ts'
import type { Miss } from '../fast/misses.ts'

/** Answers in one call of the kernel. */
const BATCH = 32
/** Room for nearly every answer; longer ones go alone. A multiple of 8, as the next one. */
const USUAL_OCTETS = 4096
/** Room for the largest message. */
const MAX_OCTETS = 65_536

/**
 * The answers to packets of a socket, sent by one call for each turn of the event loop: a call for each answer would wake the client
 * for each, which costs as much as making it.
 */
export class AnswerOutput implements Disposable {
  readonly #fd: number
  readonly #batch: MessageBatch
  #long: MessageBatch | undefined
  #waiting = 0
  #flushing: NodeJS.Immediate | undefined

  constructor(fd: number) {
    this.#fd = fd
    const sizes = { count: BATCH, receiveOctets: 0, sendOctets: USUAL_OCTETS }
    this.#batch = new MessageBatch(fd, sizes)
  }

  /** Sends an answer to where a packet came from, when this turn of the event loop ends. */
  add(answer: Uint8Array, to: Pick<Miss, 'name' | 'control'>): void {
    if (answer.length > USUAL_OCTETS) return this.#sendLong(answer, to)
    this.#batch.putAnswer(this.#waiting, answer, to)
    if (++this.#waiting === BATCH) this.#flush()
    else this.#flushing ??= setImmediate(() => this.#flush())
  }

  /** Sends what waits. Nothing may be added after it. */
  [Symbol.dispose](): void {
    this.#flush()
  }

  #flush(): void {
    clearImmediate(this.#flushing)
    this.#flushing = undefined
    const count = this.#waiting
    this.#waiting = 0
    if (count > 0) this.#batch.send(0, count)
  }

  #sendLong(answer: Uint8Array, to: Pick<Miss, 'name' | 'control'>): void {
    if (answer.length > MAX_OCTETS) return
    const sizes = { count: 1, receiveOctets: 0, sendOctets: MAX_OCTETS }
    this.#long ??= new MessageBatch(this.#fd, sizes)
    this.#long.putAnswer(0, answer, to)
    this.#long.send(0, 1)
  }
}
