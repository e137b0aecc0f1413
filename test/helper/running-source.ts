import { pino } from 'pino'
import type { ApiConnection } from '#cluster/api/server.ts'
import { type ApiSourceOptions, apiServerSource } from '#cluster/api/source.ts'
import type { ApiTiming } from '#cluster/api/timing.ts'
import type { Wanted } from '#cluster/source.ts'
import { Store } from '#cluster/store.ts'

/** What a logger wrote. */
export type LogLine = {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

export const WARN = 40

/** Pauses that are short enough for a test; limits that a test is not about stay long. */
export const quick: Partial<ApiTiming> = {
  retryInitialMs: 5,
  retryMaxMs: 20,
  refusedMs: 5,
  unknownMs: 5,
  settleMs: 0,
}

/** A source that keeps a store until it is disposed. */
export class RunningSource implements AsyncDisposable {
  readonly store = new Store()
  readonly log: LogLine[] = []
  readonly #stop = new AbortController()
  #done: Promise<void> | undefined

  static async start(
    connection: Omit<ApiConnection, 'env'> & Partial<ApiConnection>,
    wanted: Wanted,
    options: Partial<ApiSourceOptions> = {},
  ): Promise<RunningSource> {
    const running = new RunningSource()
    const write = (line: string) => running.log.push(JSON.parse(line) as LogLine)
    const source = await apiServerSource(
      { env: {}, ...connection },
      {
        wanted,
        log: pino({ level: 'debug' }, { write }),
        ...options,
        timing: { ...quick, ...options.timing },
      },
    )
    running.#done = source.run(running.store, running.#stop.signal)
    return running
  }

  warnings(): readonly string[] {
    return this.log.filter(line => line.level >= WARN).map(line => line.msg)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#done
  }
}
