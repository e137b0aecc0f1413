import { type IpAddress, parseIp } from '#net/ip.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Question } from '../message.ts'
import { RecentCounts } from './recent-counts.ts'

/** Names and clients that are told of at most. */
export const TOP_LIMIT = 20

/** Told of queries: on every one's way, so it must be quick. */
export type Tally = {
  asked(question: Question, times: number): void
  cameFrom(client: IpAddress, times: number): void
}

export type TopName = { readonly name: string; readonly type: string; readonly count: number }
export type TopClient = { readonly address: IpAddress; readonly count: number }

/** What was asked most of late, and by whom; {@link TOP_LIMIT} of each. */
export class AskedMost implements Tally {
  readonly #names: RecentCounts
  readonly #clients: RecentCounts

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#names = new RecentCounts(clock)
    this.#clients = new RecentCounts(clock)
  }

  asked({ name, type }: Question, times: number): void {
    this.#names.add(`${type} ${name.toLowerCase()}`, times)
  }

  cameFrom(client: IpAddress, times: number): void {
    this.#clients.add(client, times)
  }

  get names(): readonly TopName[] {
    return this.#names.top(TOP_LIMIT).map(({ key, count }) => {
      const end = key.indexOf(' ')
      return { name: key.slice(end + 1), type: key.slice(0, end), count }
    })
  }

  get clients(): readonly TopClient[] {
    return this.#clients.top(TOP_LIMIT).flatMap(({ key, count }) => {
      const address = parseIp(key)
      return address === undefined ? [] : [{ address, count }]
    })
  }
}
