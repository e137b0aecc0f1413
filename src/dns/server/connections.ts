import type { Socket } from 'node:net'

/** Something that holds a connection and can be cut. */
export type Closable = { destroy(): unknown }

/** Octets that one connection may have unsent in any case. */
const OWN_UNSENT_OCTETS = 256 * 1024
/** Octets that all connections of a listener together may have unsent before one that has more than its own is cut. */
const ALL_UNSENT_OCTETS = 64 * 1024 * 1024

/**
 * The connections of a listener. Their number is bounded: one more than the limit takes the place of the one that has waited
 * longest for its next query (RFC 7766 section 6.2.3 lets a server close idle connections), so that idle ones keep nobody out.
 */
export class Connections {
  readonly #limit: () => number
  readonly #all = new Set<Socket>()
  /** Longest idle first: a set keeps the order in which its members came. */
  readonly #idle = new Set<Closable>()
  #unsentOctets = 0

  /** @param limit of the moment. */
  constructor(limit: () => number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#all.size
  }

  /** Takes a connection, or cuts it where there are too many and all are busy. @returns whether it was taken. */
  admit(socket: Socket): boolean {
    // Errors come with a close; without a listener they would end the process.
    socket.on('error', () => undefined)
    if (this.#all.size >= this.#limit() && !this.#cutLongestIdle()) {
      socket.destroy()
      return false
    }
    this.#all.add(socket)
    socket.once('close', () => void this.#all.delete(socket))
    return true
  }

  /** It waits for its next query. */
  idle(connection: Closable): void {
    this.#idle.add(connection)
  }

  /** It has a query, or is gone. */
  busy(connection: Closable): void {
    this.#idle.delete(connection)
  }

  /**
   * Accounts for octets that wait to be sent; gives what ends that. What a client does not read is cut when its share is used up
   * and memory for all is short.
   */
  unsent(connection: Closable, octets: number, ownOctets: number): () => void {
    this.#unsentOctets += octets
    if (ownOctets > OWN_UNSENT_OCTETS && this.#unsentOctets > ALL_UNSENT_OCTETS) {
      connection.destroy()
    }
    return () => {
      this.#unsentOctets -= octets
    }
  }

  /** A connection that waits for its next query has nothing more to say. */
  cutIdle(): void {
    for (const connection of this.#idle) connection.destroy()
  }

  cutAll(): void {
    for (const socket of this.#all) socket.destroy()
  }

  #cutLongestIdle(): boolean {
    const [longest] = this.#idle
    if (longest === undefined) return false
    this.#idle.delete(longest)
    longest.destroy()
    return true
  }
}
