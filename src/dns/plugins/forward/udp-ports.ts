import { randomInt } from 'node:crypto'
import type { Asking, Exchange } from './exchange.ts'
import type { Due, Place, TimerWheel } from './timer-wheel.ts'
import { type Peer, UdpPort } from './udp-port.ts'
import { UdpQuestion } from './udp-question.ts'

/** Ports that are asked from at a time. As long as fewer are open, each question opens one. */
export const MAX_PORTS = 32
/** Questions that are asked from one port. */
export const MAX_QUESTIONS = 64
/**
 * How long a port is asked from, milliseconds: half as long as a silent server is waited for, so that nobody has longer to find
 * out a port than if each question had one.
 */
export const PORT_LIFE_MS = 1000

type Options = {
  readonly peer: Peer
  readonly wheel: TimerWheel
  /** Told of every question whether its port was open already. */
  readonly onTaken: (reused: boolean) => void
}

/**
 * Questions to one server by UDP. Each goes out under a random ID from a random one of some random ports, which change all the time
 * (RFC 5452 sections 9.2 and 10): a socket for each question would cost several times as much as the question.
 */
export class UdpPorts {
  readonly #options: Options
  readonly #open: OpenPort[] = []

  constructor(options: Options) {
    this.#options = options
  }

  /** Asks. Fails with the socket's error, with what `accept` throws, or when the time is over. */
  exchange<T>(asking: Asking<T>): Exchange {
    const isNew = this.#open.length < MAX_PORTS
    const port = isNew ? this.#openOne() : (this.#open[randomInt(this.#open.length)] as OpenPort)
    this.#options.onTaken(!isNew)
    return port.ask(asking)
  }

  /** Opens no more ports; those that are open end with what is under way. */
  close(): void {
    for (const port of this.#open.splice(0)) port.end()
  }

  #openOne(): OpenPort {
    const { peer, wheel } = this.#options
    const port = new OpenPort(peer, wheel, () => {
      const at = this.#open.indexOf(port)
      if (at >= 0) this.#open.splice(at, 1)
    })
    this.#open.push(port)
    return port
  }
}

/** A port that is asked from for a while. */
class OpenPort implements Due {
  readonly #port: UdpPort
  readonly #wheel: TimerWheel
  readonly #place: Place
  readonly #onEnd: () => void
  #questions = 0
  #isOver = false

  constructor(peer: Peer, wheel: TimerWheel, onEnd: () => void) {
    this.#wheel = wheel
    this.#onEnd = onEnd
    this.#place = wheel.add(this, PORT_LIFE_MS)
    this.#port = new UdpPort(peer, () => queueMicrotask(() => this.end()))
  }

  ask<T>(asking: Asking<T>): Exchange {
    const question = new UdpQuestion(asking, this.#port, this.#wheel)
    question.send()
    if (++this.#questions === MAX_QUESTIONS) this.end()
    return question
  }

  onDue(): void {
    this.end()
  }

  /** It is not asked from any more. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#wheel.remove(this, this.#place)
    this.#onEnd()
    this.#port.retire()
  }
}
