import type { RawNetlinkSocket } from 'netlink/dist/raw.js'
import { describeError } from '#runtime/error.ts'
import { SystemCallError, sendFromPool, setSocketOption } from '../libc.ts'
import type { NetworkNamespace } from '../namespace.ts'
import { watchDrops } from './drops.ts'
import { MAX_DUMP_ATTEMPTS, NetlinkError, neverStill } from './error.ts'
import { decodeMessages, encodeMessage, Flag, type Message, outcomeOf } from './message.ts'
import { NETLINK_ROUTE, openRawSocket } from './raw-socket.ts'

const SOL_NETLINK = 270
const ENOBUFS = 105
/** Answers repeat only the header of the request. */
const NETLINK_CAP_ACK = 10
/** Answers carry the kernel's sentence. */
const NETLINK_EXT_ACK = 11
/** Lists are filtered by what their request says, and nonsense in it is an error. */
const NETLINK_GET_STRICT_CHK = 12

const EBADMSG = 74
const ENOTCONN = 107

export type Request = {
  /** For the error's message: what is asked, with the name of its object. */
  readonly operation: string
  /** RTM_… */
  readonly type: number
  /** {@link Flag}s besides REQUEST and ACK. */
  readonly flags?: number
  readonly payload: Buffer
  /**
   * The kernel takes long (removing a link waits for RCU, about 20 ms; it searches a large table for the first part of a
   * list): it is asked from the thread pool, one such request of a socket after the other, so the event loop goes on.
   */
  readonly isSlow?: boolean
}

type Answer = { readonly parts: readonly Message[]; readonly isInterrupted: boolean }

/** A request that has its number and is to be sent. */
type Expected = {
  readonly bytes: Buffer
  readonly answer: Promise<Answer>
  readonly fail: (error: Error) => void
}

type Pending = {
  readonly operation: string
  readonly parts: Message[]
  /** Gets the parts of the answer instead of {@link parts}. */
  readonly visit: ((part: Message) => void) | undefined
  isInterrupted: boolean
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/** A netlink socket. It belongs for ever to the network namespace it was opened in. */
export class NetlinkSocket implements Disposable {
  readonly #socket: RawNetlinkSocket
  readonly #close: () => void
  readonly #fd: number
  readonly #pending = new Map<number, Pending>()
  #sequence = 0
  /** The kernel works on one list per socket at a time. */
  #lastDump: Promise<unknown> = Promise.resolve()
  #lastSlow: Promise<unknown> = Promise.resolve()
  /** Is a thread of the pool in the kernel with the descriptor? */
  #isSending = false
  readonly #drops: Disposable
  #isClosed = false

  private constructor(protocol: number) {
    const { socket, fd, close } = openRawSocket(protocol)
    this.#socket = socket
    this.#close = close
    this.#fd = fd
    try {
      for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
        setSocketOption(this.#fd, SOL_NETLINK, option, 1)
      }
    } catch (error) {
      close()
      throw error
    }
    this.#socket.on('message', (bytes, { port }) => {
      // Another process may send to our port; only the kernel has port 0.
      if (port === 0) this.#receive(bytes)
    })
    this.#socket.on('error', error => this.#failAll(Math.abs(error.errno), error.message))
    // The receive buffer overflowed: answers are missing and will not come.
    this.#drops = watchDrops(fd, () => this.#failAll(ENOBUFS, 'answers were lost'))
    this.#socket.unref()
  }

  /**
   * Opens a socket in `namespace`, or in that of the calling thread; a routing one unless `protocol` (NETLINK_…) says
   * otherwise. @throws {SystemCallError}
   */
  static open(namespace?: NetworkNamespace, protocol: number = NETLINK_ROUTE): NetlinkSocket {
    if (namespace === undefined) return new NetlinkSocket(protocol)
    return namespace.run(() => new NetlinkSocket(protocol))
  }

  /**
   * Asks and waits for the answer: the messages before the acknowledgement, which a change has none of.
   * @throws {NetlinkError} the kernel refused.
   */
  async request({ flags = 0, ...request }: Request): Promise<readonly Message[]> {
    const acknowledged = { ...request, flags: flags | Flag.request | Flag.ack }
    if (request.isSlow !== true) return (await this.#exchange(acknowledged)).parts
    const answer = this.#lastSlow.then(() => this.#exchange(acknowledged))
    this.#lastSlow = answer.catch(() => {})
    return (await answer).parts
  }

  /**
   * Asks several things by one system call, of which each succeeds or fails by itself, and gives the outcomes in their
   * order. The answers of all must find room in the receive buffer: dozens do.
   */
  async requestAll(requests: readonly Request[]): Promise<readonly PromiseSettledResult<Answer>[]> {
    const asked = requests.map(({ flags = 0, ...request }) =>
      this.#expect({ ...request, flags: flags | Flag.request | Flag.ack }),
    )
    const outcomes = Promise.allSettled(asked.map(({ answer }) => answer))
    await this.#send(Buffer.concat(asked.map(({ bytes }) => bytes))).catch((error: Error) => {
      for (const { fail } of asked) fail(error)
    })
    return await outcomes
  }

  /**
   * Reads a list whole: one that changed while it was read is read again.
   * @throws {NetlinkError} the kernel refused, or the list never stood still (EINTR).
   */
  dump(request: Omit<Request, 'flags' | 'isSlow'>): Promise<readonly Message[]> {
    const list = this.#lastDump.then(() => this.#dump(request))
    this.#lastDump = list.catch(() => {})
    return list
  }

  /**
   * Reads a list part by part, so that a long one is never held whole and other work goes on between its parts. It may
   * lack what changed while it was read. @throws {NetlinkError} the kernel refused, or `visit` failed.
   */
  async visit(request: Omit<Request, 'flags'>, visit: (part: Message) => void): Promise<void> {
    const flags = Flag.request | Flag.dump
    const list = this.#lastDump.then(() => this.#exchange({ ...request, flags }, visit))
    this.#lastDump = list.catch(() => {})
    await list
  }

  async #dump(request: Request): Promise<readonly Message[]> {
    for (let attempt = 0; attempt < MAX_DUMP_ATTEMPTS; attempt++) {
      const answer = await this.#exchange({ ...request, flags: Flag.request | Flag.dump })
      if (!answer.isInterrupted) return answer.parts
    }
    throw neverStill(request.operation)
  }

  async #exchange(request: Request, visit?: (part: Message) => void): Promise<Answer> {
    const { bytes, answer, fail } = this.#expect(request, visit)
    const sent = request.isSlow === true ? this.#sendFromPool(bytes) : this.#send(bytes)
    sent.catch(fail)
    return await answer
  }

  /** Numbers a request and waits for its answer; `fail` ends the waiting when it could not be sent. */
  #expect(request: Request, visit?: (part: Message) => void): Expected {
    const { operation, type, flags = 0, payload } = request
    this.#assertOpen(operation)
    this.#sequence = (this.#sequence % 0xffffffff) + 1
    const sequence = this.#sequence
    const bytes = encodeMessage({ type, flags, sequence, payload })
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    if (this.#pending.size === 0) this.#socket.ref()
    const answer = { parts: [], visit, isInterrupted: false }
    this.#pending.set(sequence, { operation, ...answer, resolve, reject })
    const fail = (error: Error) => {
      this.#take(sequence)
      reject(error)
    }
    return { bytes, answer: promise, fail }
  }

  #assertOpen(operation: string): void {
    if (this.#isClosed) throw new NetlinkError(operation, ENOTCONN, 'the socket is closed')
  }

  #send(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(bytes, {}, error => {
        if (error === undefined) resolve()
        else reject(new SystemCallError(error.syscall, Math.abs(error.errno), { cause: error }))
      })
    })
  }

  async #sendFromPool(bytes: Buffer): Promise<void> {
    this.#isSending = true
    try {
      await sendFromPool(this.#fd, bytes)
    } finally {
      this.#isSending = false
      if (this.#isClosed) this.#close()
    }
  }

  #receive(bytes: Buffer): void {
    try {
      for (const message of decodeMessages(bytes)) this.#accept(message)
    } catch (error) {
      this.#failAll(EBADMSG, describeError(error))
    }
  }

  #accept(message: Message): void {
    const pending = this.#pending.get(message.sequence)
    if (pending === undefined) return
    if (message.flags & Flag.dumpInterrupted) pending.isInterrupted = true
    const outcome = outcomeOf(message)
    if (outcome === undefined) {
      if (pending.visit === undefined) pending.parts.push(message)
      else pending.visit(message)
      return
    }
    this.#take(message.sequence)
    if (outcome.errno === 0) pending.resolve(pending)
    else pending.reject(new NetlinkError(pending.operation, outcome.errno, outcome.sentence))
  }

  /** Ends the waiting for an answer; an idle socket does not keep the process alive. */
  #take(sequence: number): void {
    this.#pending.delete(sequence)
    if (this.#pending.size === 0 && !this.#isClosed) this.#socket.unref()
  }

  #failAll(errno: number, why: string): void {
    for (const [sequence, { operation, reject }] of this.#pending) {
      this.#take(sequence)
      reject(new NetlinkError(operation, errno, why))
    }
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#drops[Symbol.dispose]()
    this.#failAll(ENOTCONN, 'the socket was closed')
    // A descriptor that is closed under a thread may be another file by the time that thread uses it.
    if (!this.#isSending) this.#close()
  }
}
