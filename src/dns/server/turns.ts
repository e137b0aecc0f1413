import type { PacketHandler } from './listener.ts'

/** Queries that begin in one turn of the event loop: some milliseconds of work. */
const PER_TURN = 64

/**
 * Lets the queries of all connections begin one after the other, a few in each turn of the event loop and in each round one of every
 * connection that has some. So one that brings thousands of them holds up neither new connections nor UDP, and nobody else's
 * query waits behind more than one of its.
 */
export class Turns {
  /** Those who wait, by connection; the next one to be served is first. */
  readonly #waiting = new Map<string, (() => void)[]>()
  #left = PER_TURN
  #isScheduled = false

  /** Resolves when a query of this connection may begin; undefined: at once. */
  next(connection: string): Promise<void> | undefined {
    this.#schedule()
    if (this.#left > 0 && this.#waiting.size === 0) {
      this.#left--
      return undefined
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    const queue = this.#waiting.get(connection)
    if (queue === undefined) this.#waiting.set(connection, [resolve])
    else queue.push(resolve)
    return promise
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#isScheduled = false
    this.#left = PER_TURN
    // A connection that is put back comes up again in the same loop, behind all others.
    for (const [connection, queue] of this.#waiting) {
      if (this.#left === 0) break
      this.#left--
      this.#waiting.delete(connection)
      const begin = queue.shift()
      if (queue.length > 0) this.#waiting.set(connection, queue)
      begin?.()
    }
    if (this.#waiting.size > 0) this.#schedule()
  }
}

/** Lets the packets of connections begin in turns. Every listener for streams shares them; datagrams are read a few at a time anyway. */
export const inTurns =
  (turns: Turns, handle: PacketHandler): PacketHandler =>
  async (packet, origin) => {
    const { client, server } = origin
    await turns.next(`${client.address} ${client.port} ${server.address} ${server.port}`)
    return handle(packet, origin)
  }
