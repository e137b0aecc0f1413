import { randomInt } from 'node:crypto'
import type { Asking, Exchange } from './exchange.ts'
import type { Due, Place, TimerWheel } from './timer-wheel.ts'
import type { UdpPort, Waiting } from './udp-port.ts'
import { ForwardError } from './upstream-message.ts'

/** How many IDs there are. */
const IDS = 0x10000

/** One question on its way by UDP. */
export class UdpQuestion<T> implements Exchange, Waiting, Due {
  readonly #asking: Asking<T>
  readonly #wheel: TimerWheel
  readonly #port: UdpPort
  readonly #id: number
  readonly #place: Place
  #isOver = false

  constructor(asking: Asking<T>, port: UdpPort, wheel: TimerWheel) {
    this.#asking = asking
    this.#wheel = wheel
    this.#port = port
    this.#id = freeId(port)
    this.#place = wheel.add(this, asking.timeoutMs)
  }

  send(): void {
    try {
      this.#port.send(this.#id, this.#asking.packet, this)
    } catch (error) {
      queueMicrotask(() => this.fail(error))
    }
  }

  take(packet: Uint8Array): boolean {
    if (this.#isOver) return true
    let answer: T | undefined
    try {
      answer = this.#asking.accept(packet)
    } catch (error) {
      this.fail(error)
      return true
    }
    if (answer === undefined) return false
    this.#end()
    this.#asking.onAnswer(answer)
    return true
  }

  fail(error: unknown): void {
    if (this.#isOver) return
    this.#end()
    this.#asking.onFailure(error)
  }

  cancel(): void {
    if (!this.#isOver) this.#end()
  }

  onDue(): void {
    this.fail(new ForwardError(`no answer within ${this.#asking.timeoutMs} ms`))
  }

  #end(): void {
    this.#isOver = true
    this.#wheel.remove(this, this.#place)
    this.#port.forget(this.#id)
  }
}

/** A port has few questions under way: nearly all IDs are free. */
function freeId(port: UdpPort): number {
  for (;;) {
    const id = randomInt(IDS)
    if (!port.has(id)) return id
  }
}
