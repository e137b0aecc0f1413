import { readdirSync } from 'node:fs'
import { attachFilter, forceReceiveBuffer, netlinkPort, socketProtocol } from './libc.ts'
import { watchDrops } from './netlink/drops.ts'
import { NETLINK_NETFILTER, openRawSocket } from './netlink/raw-socket.ts'
import { encodeSenderFilter } from './netlink/sender-filter.ts'
import {
  type NftCommit,
  type NftEvent,
  type NftInterest,
  parseNftEvents,
  senderOf,
} from './nft-events.ts'

/** NFNLGRP_NFTABLES (linux/netfilter/nfnetlink.h). */
const NFTABLES_GROUP = 7
/** For the events of some 50,000 elements; the kernel takes the memory only while they wait. */
const RECEIVE_BUFFER_BYTES = 16 * 1024 * 1024

/** How many of those who changed a table are named. */
const MAX_NAMED = 3

/** What others did since the last look; of several transactions the sum. */
export type ForeignChange = {
  /** `nft (pid 17): 1 table deleted, 3 elements added` */
  readonly reason: string
  /** Is everything but the elements of its sets and maps as it was? Also false says only what was seen. */
  readonly isElementsOnly: boolean
}

/**
 * Watches nftables for changes by others to what is of interest. Transactions of this process are told by the netlink port they come
 * through, which every event carries, and those of children by {@link ignore}; the kernel does not even deliver them.
 * Process ids would not do: events carry those of the initial namespace, and a thread's instead of its process's.
 */
export class NftMonitor implements Disposable {
  readonly #interest: NftInterest
  readonly #close: () => void
  readonly #fd: number
  readonly #drops: Disposable
  /** Ports of this process. */
  #own = ownPorts()
  /** Ports of children that run. */
  readonly #children: number[] = []
  /** Of the transaction whose end has not come yet. */
  readonly #open = new Map<NftEvent, number>()
  readonly #seen = new Map<NftEvent, number>()
  readonly #authors = new Set<string>()
  #areEventsLost = false
  #isClosed = false
  #changed = Promise.withResolvers<void>()

  private constructor(interest: NftInterest) {
    this.#interest = interest
    const { socket, fd, close } = openRawSocket(NETLINK_NETFILTER)
    this.#close = close
    this.#fd = fd
    try {
      forceReceiveBuffer(fd, RECEIVE_BUFFER_BYTES)
      this.#filter()
      socket.addMembership(NFTABLES_GROUP)
    } catch (error) {
      close()
      throw error
    }
    socket.on('message', (bytes, { port }) => {
      // Another process may send to our port; only the kernel has port 0.
      if (port === 0) this.#receive(bytes)
    })
    // Any error is as good a reason to look as events that the buffer could not hold.
    socket.on('error', () => this.#lose())
    this.#drops = watchDrops(fd, () => this.#lose())
    socket.unref()
  }

  /** Watches from now on, in the calling thread's network namespace. @throws {SystemCallError} */
  static open(interest: NftInterest): NftMonitor {
    return new NftMonitor(interest)
  }

  /**
   * The child process with this id is ours: what it will do is no foreign change. To be told of its end by what this
   * returns: then a process in another pid namespace may have that number.
   */
  ignore(pid: number): () => void {
    // A program's first netlink socket has its process id for a port, unless another socket has it.
    this.#children.push(pid)
    this.#filter()
    return () => {
      // Its events were held back when they came, as a part of its transactions.
      this.#children.splice(this.#children.indexOf(pid), 1)
      this.#filter()
    }
  }

  /** What others did since the last call, as soon as there is something. @throws the signal's reason */
  async next(signal: AbortSignal): Promise<ForeignChange> {
    const aborted = Promise.withResolvers<never>()
    const onAbort = () => aborted.reject(signal.reason as Error)
    signal.throwIfAborted()
    signal.addEventListener('abort', onAbort)
    try {
      await Promise.race([this.#changed.promise, aborted.promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    return this.#take()
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    this.#drops[Symbol.dispose]()
    this.#close()
  }

  #filter(): void {
    // A child may end later than this is closed.
    if (!this.#isClosed) attachFilter(this.#fd, encodeSenderFilter(this.#ignored()))
  }

  #ignored(): readonly number[] {
    return [...this.#own, ...this.#children]
  }

  #receive(bytes: Buffer): void {
    const sender = senderOf(bytes)
    if (sender === undefined || this.#ignored().includes(sender)) return
    try {
      for (const event of parseNftEvents(bytes, this.#interest)) {
        if (typeof event === 'object') this.#commit(event, sender)
        else this.#open.set(event, (this.#open.get(event) ?? 0) + 1)
      }
    } catch {
      this.#lose()
    }
  }

  #commit({ program, pid }: NftCommit, sender: number): void {
    if (this.#open.size === 0) return
    const own = ownPorts()
    // libnftables opens a new socket when a listing was interrupted.
    if (own.includes(sender)) {
      this.#own = own
      this.#filter()
    } else {
      if (this.#authors.size < MAX_NAMED) this.#authors.add(`${program} (pid ${pid})`)
      for (const [event, count] of this.#open) {
        this.#seen.set(event, (this.#seen.get(event) ?? 0) + count)
      }
      this.#changed.resolve()
    }
    this.#open.clear()
  }

  #lose(): void {
    this.#areEventsLost = true
    this.#changed.resolve()
  }

  #take(): ForeignChange {
    const isElementsOnly = this.#seen.keys().every(event => event.startsWith('element '))
    const what = describe(this.#seen)
    const who = [...this.#authors].join(', ')
    const lost = this.#areEventsLost ? ['events were lost'] : []
    const reason = [...(what === '' ? [] : [`${who}: ${what}`]), ...lost].join('; ')
    this.#seen.clear()
    this.#authors.clear()
    this.#areEventsLost = false
    this.#changed = Promise.withResolvers()
    return { reason, isElementsOnly }
  }
}

/** `1 table deleted, 3 elements added` */
function describe(counts: ReadonlyMap<NftEvent, number>): string {
  return [...counts]
    .map(([event, count]) => `${count} ${count === 1 ? event : event.replace(' ', 's ')}`)
    .join(', ')
}

/** The ports of this process's netfilter sockets: libnftables keeps its own to itself. */
function ownPorts(): readonly number[] {
  return readdirSync('/proc/self/fd').flatMap(name => {
    const port = netlinkPort(Number(name))
    if (port === undefined || socketProtocol(Number(name)) !== NETLINK_NETFILTER) return []
    return [port]
  })
}
