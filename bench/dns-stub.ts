import { createSocket, type Socket } from 'node:dgram'
import { reply } from '#dns/message.ts'
import { decodeMessage } from '#dns/wire/decode.ts'
import { encodeMessage } from '#dns/wire/encode.ts'

/** What a server said: its rcode, and the addresses and names in its records. */
export type Answer = { readonly rcode: string; readonly data: readonly string[] }

/** A stub resolver that asks one server by UDP, many questions at a time. */
export class Stub implements Disposable {
  readonly #socket: Socket
  readonly #port: number
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #id = 0

  /** @param from the address to ask from. */
  constructor(port: number, from = '127.0.0.1') {
    this.#port = port
    this.#socket = createSocket('udp4')
    this.#socket.bind({ address: from, port: 0 })
    this.#socket.on('message', packet => this.#receive(packet))
  }

  /** Rejects when no answer comes within 5 s. */
  ask(name: string, type: string): Promise<Answer> {
    this.#id = (this.#id + 1) & 0xffff
    const id = this.#id
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const timer = setTimeout(() => reject(new Error(`no answer for ${name} ${type}`)), 5000)
    this.#waiting.set(id, answer => {
      clearTimeout(timer)
      resolve(answer)
    })
    const question = { name, type, class: 'IN' }
    const message = { ...reply(), id, opcode: 'QUERY', isResponse: false, checkingDisabled: false }
    const packet = encodeMessage({ ...message, recursionDesired: true, question, edns: undefined })
    this.#socket.send(packet, this.#port, '127.0.0.1')
    return promise
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }

  #receive(packet: Buffer): void {
    const decoded = decodeMessage(packet)
    if (decoded.kind !== 'message') return
    const { id, rcode, answers } = decoded.message
    const told = this.#waiting.get(id)
    this.#waiting.delete(id)
    told?.({ rcode, data: answers.flatMap(({ data }) => (typeof data === 'string' ? data : [])) })
  }
}
