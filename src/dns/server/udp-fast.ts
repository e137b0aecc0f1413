import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { BatchSocket } from '#linux/udp-batch.ts'
import { destinationFrom, endpointFrom, isIpv4Name } from '#linux/udp-batch-address.ts'
import type { FastPath } from '../fast/fast-path.ts'
import { type Miss, unpackMisses } from '../fast/misses.ts'
import { READY, type WorkerData } from '../fast/worker-data.ts'
import type { WorkerBudget } from './fast-path-workers.ts'
import { type Listener, type ListenerOptions, wildcards } from './listener.ts'
import { AnswerOutput } from './udp-output.ts'

/** What a worker may use of memory, MiB: it makes next to no objects. */
const WORKER_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16, stackSizeMb: 1 }

type FastOptions = ListenerOptions & {
  readonly fastPath: FastPath
  /** Threads, each with a socket of its own, when `sockets` does not say how many. */
  readonly workers: number
  /** Threads of all listeners: fewer may be left than are wanted. */
  readonly budget: WorkerBudget
  /** Told when a worker failed; the listener must be disposed then. */
  readonly onFailure: (error: unknown) => void
}

/**
 * Listens on UDP by worker threads that answer from the fast path's table; what they have no answer for is answered here.
 * @throws {SystemCallError} @throws what a worker or koffi could not be started with.
 */
export async function listenFast(options: FastOptions): Promise<Listener> {
  const { fastPath, budget, sockets, workers } = options
  const count = budget.take(sockets ?? workers)
  if (count === 0) throw new RangeError('as many workers of the fast path as there may be')
  const number = fastPath.takeListener()
  if (number === undefined) {
    budget.giveBack(count)
    throw new RangeError('too many listeners')
  }
  const listener = new FastListener(options, number, count)
  try {
    await listener.start()
    return listener
  } catch (error) {
    await listener[Symbol.asyncDispose]()
    throw error
  }
}

class FastListener implements Listener {
  readonly #options: FastOptions
  readonly #number: number
  readonly #count: number
  readonly #threads: SocketThread[] = []
  #isDisposed = false

  /** @param count of threads. */
  constructor(options: FastOptions, number: number, count: number) {
    this.#options = options
    this.#number = number
    this.#count = count
  }

  async start(): Promise<void> {
    // Every socket is there before one is asked: the kernel spreads clients over those it knows.
    for (let started = 0; started < this.#count; started++) {
      this.#threads.push(SocketThread.open(this.#options, this.#number))
    }
    for (const thread of this.#threads) await thread.start()
  }

  stopTaking(): void {
    for (const thread of this.#threads) thread.stopTaking()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopTaking()
    for (const thread of this.#threads) await thread[Symbol.asyncDispose]()
    this.#threads.length = 0
    if (this.#isDisposed) return
    this.#isDisposed = true
    this.#options.fastPath.giveBackListener(this.#number)
    this.#options.budget.giveBack(this.#count)
  }
}

/** One socket, the thread that takes its packets, and the answers to what that thread cannot answer. */
class SocketThread implements Listener {
  readonly #options: FastOptions
  readonly #number: number
  readonly #socket: BatchSocket
  readonly #output: AnswerOutput
  readonly #waiting = new Int32Array(new SharedArrayBuffer(4))
  readonly #stack = new AsyncDisposableStack()
  #isStopping = false

  /** Opens the socket; packets wait in it until {@link start}. */
  static open(options: FastOptions, number: number): SocketThread {
    using stack = new DisposableStack()
    const socket = stack.use(BatchSocket.open(options.address, options.port))
    const thread = new SocketThread(options, number, socket)
    stack.move()
    return thread
  }

  private constructor(options: FastOptions, number: number, socket: BatchSocket) {
    this.#options = options
    this.#number = number
    this.#socket = this.#stack.use(socket)
    this.#output = this.#stack.use(new AnswerOutput(socket.fd))
  }

  async start(): Promise<void> {
    const { fastPath, onFailure } = this.#options
    const { counters, clients, remove } = fastPath.addWorker(name => endpointFrom(name)?.address)
    this.#stack.defer(remove)
    const workerData: WorkerData = {
      fd: this.#socket.fd,
      listener: this.#number,
      table: fastPath.memory,
      seed: fastPath.seed,
      counters: counters.memory,
      clients: clients.memory,
      waiting: this.#waiting.buffer as SharedArrayBuffer,
    }
    const worker = new Worker(workerFile(), { workerData, resourceLimits: WORKER_LIMITS })
    const ended = once(worker, 'exit')
    this.#stack.defer(async () => {
      await ended.catch(() => undefined)
    })
    // Rejects with the worker's error when there is one.
    const [said] = (await Promise.race([once(worker, 'message'), ended])) as [unknown]
    if (said !== READY) throw new Error('a worker of the fast path ended before it began')
    worker.on('message', (packed: Uint8Array) => this.#take(packed))
    worker.on('error', error => {
      if (!this.#isStopping) onFailure(error)
    })
  }

  stopTaking(): void {
    this.#isStopping = true
    this.#socket.stopReceiving()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopTaking()
    await this.#stack.disposeAsync()
  }

  #take(packed: Uint8Array): void {
    for (const miss of unpackMisses(packed)) {
      Atomics.sub(this.#waiting, 0, 1)
      void this.#answer(miss)
    }
  }

  async #answer({ packet, name, control }: Miss): Promise<void> {
    const { address, port, handle, fastPath } = this.#options
    const client = endpointFrom(name)
    // No program sends from port 0: the source is forged.
    if (client === undefined || client.port === 0) return
    const isIpv4 = isIpv4Name(name, 0)
    fastPath.settle(packet, this.#number, isIpv4)
    const asked = address ?? destinationFrom(control) ?? wildcards[isIpv4 ? 0 : 1]
    if (asked === undefined) return
    const answer = await handle(packet, {
      transport: 'udp',
      client,
      server: { address: asked, port },
      onAnswered: answered => fastPath.remember(packet, this.#number, answered),
    })
    if (answer === undefined || this.#stack.disposed) return
    this.#output.add(answer, { name, control })
  }
}

/** Beside this file in development, beside the bundle in dist/. */
const workerFile = (): URL =>
  import.meta.url.endsWith('.ts')
    ? new URL('../fast/worker.ts', import.meta.url)
    : new URL('./dns-fast-worker.mjs', import.meta.url)
