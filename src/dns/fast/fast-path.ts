import { randomInt } from 'node:crypto'
import { familyOf, type IpAddress } from '#net/ip.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { Pace } from '#runtime/pace.ts'
import type { Remember } from '../message.ts'
import { counter, gauge } from '../metric.ts'
import type { Exchange, Plugin } from '../plugin.ts'
import type { Tally } from '../top/asked-most.ts'
import { AnswerReader } from './answer-reader.ts'
import { AnswerTable } from './answer-table.ts'
import { AskedBefore } from './asked-before.ts'
import { type AddressOf, ClientRing } from './client-ring.ts'
import { planEntry } from './entry.ts'
import { RawQuestion } from './raw-question.ts'
import { isSame } from './same-octets.ts'
import {
  COUNTERS_PER_SLOT,
  createTableMemory,
  MAX_ANSWER_OCTETS,
  sharedClockMs,
  slotsOf,
  type TableMemory,
} from './table-memory.ts'
import type { Template } from './template.ts'
import { UseCounters } from './use-counters.ts'

/** An answer that the chain gave, and who is told of it. */
export type Answered = {
  readonly exchange: Exchange
  readonly octets: Uint8Array
  readonly plugins: readonly Plugin[]
}

export type FastPathOptions = {
  /** Of the table of answers, a multiple of 1024. */
  readonly maxOctets: number
  readonly metrics: Metrics
  /** Told of what the workers answered, some time later. */
  readonly tally?: Tally | undefined
  /** {@link sharedClockMs}; tests hold it. */
  readonly clockMs?: () => number
}

type Worker = {
  readonly counters: UseCounters
  readonly clients: ClientRing
  readonly addressOf: AddressOf
  readonly seen: Uint32Array
  seenBusyMs: number
  seenTotal: number
}

/** Answers of more records go the slow way: making them ready would take the main thread too long. */
const MAX_RECORDS = 200
/** Numbers of listeners are one octet of a key. */
const MAX_LISTENERS = 256

const anyAddress: Readonly<Record<4 | 6, IpAddress>> = {
  4: '0.0.0.0' as IpAddress,
  6: '::' as IpAddress,
}

/**
 * The main thread's side of the fast path: it makes answers ready for the workers, takes them back, and counts their uses.
 * All listeners of a server share it.
 */
export class FastPath {
  readonly seed = randomInt(2 ** 31)
  readonly #table: AnswerTable
  readonly #reader: AnswerReader
  readonly #question: RawQuestion
  readonly #counts: (Count | undefined)[] = []
  readonly #workers = new Set<Worker>()
  readonly #asked = new AskedBefore()
  readonly #scratch = new Uint8Array(MAX_ANSWER_OCTETS)
  readonly #freeListeners = Array.from({ length: MAX_LISTENERS }, (_, number) => number).reverse()
  readonly #countAnswers: (uses: number) => void
  readonly #tally: Tally | undefined
  /** Of one use, as last seen. */
  #meanSeconds = 0

  readonly #clockMs: () => number

  constructor({ maxOctets, metrics, tally, clockMs = sharedClockMs }: FastPathOptions) {
    this.#clockMs = clockMs
    this.#tally = tally
    const memory = createTableMemory(maxOctets)
    this.#table = new AnswerTable(memory)
    this.#reader = new AnswerReader(memory, this.seed)
    this.#question = new RawQuestion(this.seed)
    const entries = gauge(metrics, {
      name: 'nodeplane_dns_fast_path_entries',
      help: 'Answers that are ready for the workers of the fast path.',
    })
    const answers = counter(metrics, {
      name: 'nodeplane_dns_fast_path_answers_total',
      help: 'Queries that the workers of the fast path answered.',
    })
    this.#countAnswers = uses => answers.inc(uses)
    // Metrics are collected in the order of their registration, and this one is registered before those of queries and plugins:
    // what the workers counted is in all of them.
    Object.assign(entries, {
      collect: () => {
        this.countUses()
        entries.set(this.#table.size)
      },
    })
  }

  get memory(): TableMemory {
    return this.#table.memory
  }

  /** A number for a listener; undefined: there are too many. */
  takeListener(): number | undefined {
    return this.#freeListeners.pop()
  }

  giveBackListener(listener: number): void {
    this.#freeListeners.push(listener)
  }

  /** What one more worker counts by, until it is removed. @param addressOf reads whom it answered. */
  addWorker(
    addressOf: AddressOf,
  ): Pick<Worker, 'counters' | 'clients'> & { readonly remove: () => void } {
    const counters = UseCounters.forSlots(slotsOf(this.memory))
    const seen = new Uint32Array(counters.uses.length)
    const clients = new ClientRing()
    const worker: Worker = { counters, clients, addressOf, seen, seenBusyMs: 0, seenTotal: 0 }
    this.#workers.add(worker)
    return {
      counters,
      clients,
      remove: () => {
        this.countUses()
        this.#countClients(worker)
        this.#workers.delete(worker)
      },
    }
  }

  /** Makes an answer that the chain gave to `packet` ready for the workers, if it says that it may be given again. */
  remember(packet: Uint8Array, listener: number, answered: Answered): void {
    const { query, reply } = answered.exchange
    const question = this.#question
    if (reply?.remember === undefined || reply.ednsOptions.length > 0) return
    const records = reply.answers.length + reply.authorities.length + reply.additionals.length
    if (records > MAX_RECORDS || reply.remember.forMs <= 0) return
    if (!question.read(packet, 0, packet.length, listener) || !this.#asked.see(question.hash))
      return
    const planned = planEntry(query, reply.remember, question.nameLength)
    if (planned === undefined || planned.template.octets.length > MAX_ANSWER_OCTETS) return
    if (planned.isSized) {
      this.#keepSizedMark()
      question.widen(familyOf(query.client.address) === 4)
    }
    this.#keep(packet, planned.template, answered, reply.remember)
  }

  /** Counts the uses of the answer that is ready for this question, if there is one: whoever is asked next knows of them. */
  settle(packet: Uint8Array, listener: number, isIpv4: boolean): void {
    const question = this.#question
    if (!question.read(packet, 0, packet.length, listener)) return
    this.#settleFound()
    question.widen(isIpv4)
    this.#settleFound()
  }

  /** Takes back every answer: none is given to a packet that comes after this. */
  clear(): void {
    this.#table.clear()
  }

  /** Counts what the workers answered since the last time. */
  countUses(): void {
    this.#measureMean()
    for (const slot of this.#table.slots()) this.#countSlot(slot)
  }

  /** The same, a few at a time, so that others get their turn; and whom they answered. */
  async countAll(): Promise<void> {
    for (const worker of this.#workers) this.#countClients(worker)
    const pace = new Pace()
    this.#measureMean()
    // The table changes meanwhile.
    const slots = Array.from(this.#table.slots())
    for (const slot of slots) {
      this.#countSlot(slot)
      await pace.breathe()
    }
  }

  #countClients({ clients, addressOf }: Worker): void {
    for (const { address, answers } of clients.drain(addressOf))
      this.#tally?.cameFrom(address, answers)
  }

  #settleFound(): void {
    const place = this.#reader.find(this.#question)
    if (place >= 0) this.#countSlot(this.#reader.slotAt(place))
  }

  #keepSizedMark(): void {
    const place = this.#reader.find(this.#question)
    if (place >= 0 && this.#reader.isSized(place)) return
    const mark = { template: undefined, hasEdns: false, rotates: false, ttlEndMs: undefined }
    const entry = { ...mark, freshUntilMs: Number.POSITIVE_INFINITY, onDrop: () => undefined }
    this.#table.put(this.#question, entry, { reader: this.#reader, isRight: () => true })
  }

  #keep(packet: Uint8Array, template: Template, answered: Answered, remember: Remember): void {
    const { exchange, octets } = answered
    const { forMs, ttlLeftMs, rotates, untilChange } = remember
    const nowMs = this.#clockMs()
    let unwatch: (() => void) | undefined
    const handle = this.#table.put(
      this.#question,
      {
        template,
        hasEdns: exchange.query.edns !== undefined,
        rotates,
        freshUntilMs: nowMs + forMs,
        ttlEndMs: ttlLeftMs === undefined ? undefined : nowMs + ttlLeftMs,
        onDrop: slot => {
          this.#countSlot(slot)
          this.#counts[slot] = undefined
          unwatch?.()
        },
      },
      {
        reader: this.#reader,
        isRight: at => this.#gives(at, packet, octets, { nowMs, rotates }),
      },
    )
    if (handle === undefined) return
    this.#counts[handle.slot] = this.#counting(answered, remember)
    unwatch = untilChange?.(() => handle.drop())
  }

  /** Would a worker answer this packet as the chain did? What does not say the truth about itself is not kept. */
  #gives(
    at: number,
    packet: Uint8Array,
    octets: Uint8Array,
    { nowMs, rotates }: { readonly nowMs: number; readonly rotates: boolean },
  ): boolean {
    const view = { packet, start: 0, isIpv4: true }
    const outWords = new Int32Array(this.#scratch.buffer)
    const target = { out: this.#scratch, outWords, to: 0 }
    const length = this.#reader.write(at, this.#question, view, target, nowMs)
    return isSame(this.#scratch.subarray(0, length), octets, rotates)
  }

  #counting({ exchange, plugins }: Answered, { counted }: Remember): Count {
    return (uses, family) => {
      const client = { ...exchange.query.client, address: anyAddress[family] }
      const query = { ...exchange.query, client }
      const same = { ...exchange, query, durationSeconds: this.#meanSeconds }
      for (const plugin of plugins) plugin.observe?.(same, uses)
      counted?.(uses)
      this.#countAnswers(uses)
      this.#tally?.asked(query.question, uses)
    }
  }

  #countSlot(slot: number): void {
    const count = this.#counts[slot]
    for (const { counters, seen } of this.#workers) {
      for (const [offset, family] of families) {
        const at = slot * COUNTERS_PER_SLOT + offset
        const uses = Atomics.load(counters.uses, at)
        const more = (uses - (seen[at] as number)) >>> 0
        seen[at] = uses
        if (more > 0) count?.(more, family)
      }
    }
  }

  /** Workers measure batches, not queries: each use is taken to have lasted as long as the mean of its time. */
  #measureMean(): void {
    let ms = 0
    let uses = 0
    for (const worker of this.#workers) {
      ms += worker.counters.busyMs - worker.seenBusyMs
      worker.seenBusyMs = worker.counters.busyMs
      uses += worker.counters.total - worker.seenTotal
      worker.seenTotal = worker.counters.total
    }
    if (uses > 0) this.#meanSeconds = ms / uses / 1000
  }
}

type Count = (uses: number, family: 4 | 6) => void

const families = [
  [0, 4],
  [1, 6],
] as const
