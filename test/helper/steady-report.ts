/** What clients do at a steady rate (test/fixtures/steady-clients.ts). */
export type ClientPlan = {
  /** Of each: new TCP connections, datagrams and DNS queries. */
  readonly perSecond: number
  /** For a connection with one byte there and back, and for a datagram. */
  readonly deadlineMs: number
  /** Where what is sent comes back, by TCP and UDP. */
  readonly echo: { readonly host: string; readonly port: number }
  /** A query counts as failed when none of `tries` was answered within `timeoutMs` each. */
  readonly dns: {
    readonly address: string
    readonly name: string
    readonly tries: number
    readonly timeoutMs: number
  }
  /** TCP connections that stay. */
  readonly established: number
}

/** One kind of operation. */
export type OperationReport = {
  readonly operations: number
  /** When each failed one began, milliseconds after the first operation, and why it failed. */
  readonly failures: readonly { readonly atMs: number; readonly reason: string }[]
  /** The longest time without a success, from the first operation to the end. */
  readonly longestGapMs: number
}

export type ClientReport = {
  readonly tcp: OperationReport
  readonly udp: OperationReport
  readonly dns: OperationReport
  /** Answers by the address they gave. */
  readonly answeredBy: Readonly<Record<string, number>>
  readonly established: {
    readonly connections: number
    readonly broken: number
    readonly longestPauseMs: number
  }
  readonly ownLagMs: number
}

/** Counts operations of one kind. */
export class Tally {
  readonly #beganMs = performance.now()
  readonly #failures: { atMs: number; reason: string }[] = []
  #operations = 0
  #lastSuccessMs = this.#beganMs
  #longestGapMs = 0

  /** Does one; it gives why it failed. */
  async measure(operation: () => Promise<string | undefined>): Promise<void> {
    const atMs = performance.now() - this.#beganMs
    this.#operations++
    const reason = await operation()
    if (reason === undefined) this.#endGap()
    else this.#failures.push({ atMs, reason })
  }

  report(): OperationReport {
    this.#endGap()
    const longestGapMs = this.#longestGapMs
    return { operations: this.#operations, failures: this.#failures, longestGapMs }
  }

  #endGap(): void {
    const nowMs = performance.now()
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastSuccessMs)
    this.#lastSuccessMs = nowMs
  }
}
