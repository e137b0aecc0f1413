import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { MessageBatch } from '#linux/udp-batch-messages.ts'
import { AnswerReader } from './answer-reader.ts'
import { ClientRing } from './client-ring.ts'
import { type Miss, packMisses } from './misses.ts'
import { RawQuestion } from './raw-question.ts'
import { MAX_ANSWER_OCTETS, sharedClockMs } from './table-memory.ts'
import { UseCounters } from './use-counters.ts'
import { READY, type WorkerData } from './worker-data.ts'

/** Packets in one call of the kernel: more gain nothing. */
const BATCH = 64
/** As the slow path has it: longer queries are cut. */
const MAX_QUERY_OCTETS = 512
/** Packets that may wait for the main thread; more are dropped, as a full socket buffer drops them. */
const MAX_WAITING = 8192

/** Answers the packets of one socket until it is shut down. What the table has no answer for goes to the main thread. */
class Worker {
  readonly #batch: MessageBatch
  readonly #question: RawQuestion
  readonly #reader: AnswerReader
  readonly #counters: UseCounters
  readonly #clients: ClientRing
  readonly #waiting: Int32Array
  readonly #listener: number
  readonly #post: (misses: Uint8Array<ArrayBuffer>) => void
  readonly #view: { packet: Uint8Array; start: number; isIpv4: boolean }
  readonly #target: { out: Uint8Array; outWords: Int32Array; to: number }
  #misses: Miss[] = []

  constructor(data: WorkerData, post: (misses: Uint8Array<ArrayBuffer>) => void) {
    const sizes = { count: BATCH, receiveOctets: MAX_QUERY_OCTETS, sendOctets: MAX_ANSWER_OCTETS }
    this.#batch = new MessageBatch(data.fd, sizes)
    this.#question = new RawQuestion(data.seed)
    this.#reader = new AnswerReader(data.table, Math.floor(Math.random() * 2 ** 31))
    this.#counters = new UseCounters(data.counters)
    this.#clients = new ClientRing(data.clients)
    this.#waiting = new Int32Array(data.waiting)
    this.#listener = data.listener
    this.#post = post
    this.#view = { packet: this.#batch.memory, start: 0, isIpv4: false }
    const { memory } = this.#batch
    this.#target = { out: memory, outWords: new Int32Array(memory.buffer), to: 0 }
  }

  run(): void {
    for (;;) {
      const received = this.#batch.receive()
      if (received > 0 && this.#batch.nameLength(0) === 0) return
      if (received > 0) this.#take(received)
    }
  }

  #take(received: number): void {
    const beganMs = sharedClockMs()
    let answered = 0
    let lastAnswered = 0
    let sent = 0
    for (let index = 0; index < received; index++) {
      if (this.#answer(index, beganMs)) {
        answered++
        lastAnswered = index
        continue
      }
      this.#keepMiss(index)
      if (sent < index) this.#batch.send(sent, index)
      sent = index + 1
    }
    if (sent < received) this.#batch.send(sent, received)
    if (answered > 0) {
      this.#counters.spent(sharedClockMs() - beganMs, answered)
      this.#clients.note(this.#target.outWords, this.#batch.nameAt(lastAnswered) / 4, answered)
    }
    if (this.#misses.length > 0) this.#handOver()
  }

  #answer(index: number, nowMs: number): boolean {
    const batch = this.#batch
    const view = this.#view
    view.start = batch.packetAt(index)
    const length = batch.packetLength(index)
    if (!this.#question.read(view.packet, view.start, length, this.#listener)) return false
    view.isIpv4 = batch.isIpv4(index)
    this.#target.to = batch.answerAt(index)
    const answerLength = this.#reader.answer(this.#question, view, this.#target, nowMs)
    if (answerLength === 0) return false
    batch.setAnswer(index, answerLength)
    this.#counters.used(this.#reader.slot, view.isIpv4)
    return true
  }

  #keepMiss(index: number): void {
    const batch = this.#batch
    const start = batch.packetAt(index)
    const packet = batch.memory.subarray(start, start + batch.packetLength(index))
    this.#misses.push({ packet, name: batch.name(index), control: batch.control(index) })
  }

  #handOver(): void {
    const misses = this.#misses
    this.#misses = []
    if (Atomics.load(this.#waiting, 0) > MAX_WAITING) return
    Atomics.add(this.#waiting, 0, misses.length)
    this.#post(packMisses(misses))
  }
}

// The entry of a thread: its main thread is in src/dns/server/udp-fast.ts.
if (isMainThread || parentPort === null) throw new Error('this is the entry of a worker thread')
const port = parentPort
const worker = new Worker(workerData as WorkerData, misses =>
  port.postMessage(misses, [misses.buffer]),
)
port.postMessage(READY)
worker.run()
