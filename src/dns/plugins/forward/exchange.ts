/** What a packet of a server says, or undefined to keep waiting for another one. May throw: then no other one is waited for. */
export type Accept<T> = (packet: Uint8Array) => T | undefined

/** A question to one server, and who is told what it comes to: once, and never before the call that asks has returned. */
export type Asking<T> = {
  /** With whatever ID: each exchange has a random one of its own (RFC 5452 section 9.2). */
  readonly packet: Uint8Array
  /** Is given packets under that ID only. */
  readonly accept: Accept<T>
  readonly timeoutMs: number
  readonly onAnswer: (answer: T) => void
  readonly onFailure: (error: unknown) => void
}

/** An exchange under way. */
export type Exchange = {
  /** Ends it; nobody is told of it any more. */
  cancel(): void
}
