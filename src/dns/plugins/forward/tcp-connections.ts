import type { Socket } from 'node:net'
import type { Accept } from './exchange.ts'
import { TcpConnection } from './tcp-connection.ts'

type Options = {
  /** Begins to connect. */
  readonly dial: () => Socket
  /** A connection as old as this is used no more. */
  readonly maxAgeMs: number
  readonly expireMs: number
  readonly maxIdleConnections: number
  /** Told of every exchange whether it found a connection that was open already. */
  readonly onTaken: (reused: boolean) => void
}

/** Connections to one server, kept open a while for the next exchange. */
export class TcpConnections {
  readonly #options: Options
  readonly #open = new Set<TcpConnection>()
  /** The one that has idled longest comes first: taking turns keeps the ports in use many. */
  readonly #idle: TcpConnection[] = []

  constructor(options: Options) {
    this.#options = options
  }

  /**
   * One exchange, by an open connection or a new one. A server may close an idle connection at any time: an exchange that
   * fails on one starts again on the next.
   */
  async exchange<T>(packet: Uint8Array, accept: Accept<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      const idle = this.#takeIdle()
      this.#options.onTaken(idle !== undefined)
      const connection = idle ?? this.#connect()
      try {
        const answer = await connection.exchange(packet, accept, signal)
        this.#release(connection)
        return answer
      } catch (error) {
        if (idle === undefined || signal.aborted) throw error
      }
    }
  }

  close(): void {
    for (const connection of this.#open) connection.close()
  }

  #connect(): TcpConnection {
    const connection = new TcpConnection(this.#options.dial(), () => {
      this.#open.delete(connection)
      const at = this.#idle.indexOf(connection)
      if (at >= 0) this.#idle.splice(at, 1)
    })
    this.#open.add(connection)
    return connection
  }

  #takeIdle(): TcpConnection | undefined {
    for (;;) {
      const connection = this.#idle.shift()
      if (connection?.closed === true) continue
      if (connection !== undefined && connection.ageMs >= this.#options.maxAgeMs) {
        connection.close()
        continue
      }
      connection?.resume()
      return connection
    }
  }

  #release(connection: TcpConnection): void {
    if (connection.closed) return
    if (this.#idle.length >= this.#options.maxIdleConnections) {
      connection.close()
      return
    }
    connection.idle(this.#options.expireMs)
    this.#idle.push(connection)
  }
}
