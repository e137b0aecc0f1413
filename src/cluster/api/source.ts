import { type Clock, systemClock } from '#runtime/clock.ts'
import { version } from '#runtime/version.ts'
import type { Kind } from '../objects.ts'
import type { Source, SourceOptions } from '../source.ts'
import type { StoreWriter } from '../store.ts'
import { ApiClient, type RequestOutcome } from './client.ts'
import { Reflector } from './reflector.ts'
import { type ApiConnection, type ApiServer, findServer } from './server.ts'
import { type ApiTiming, defaultTiming } from './timing.ts'
import { TroubleLog } from './trouble-log.ts'

export type ApiSourceOptions = SourceOptions & {
  /** Called after every request, for metrics. */
  readonly onRequest?: ((outcome: RequestOutcome) => void) | undefined
  readonly timing?: Partial<ApiTiming> | undefined
  readonly clock?: Clock | undefined
  /** Numbers in [0, 1). */
  readonly random?: (() => number) | undefined
}

/**
 * Objects from the API server, by list and watch.
 * @throws {ConfigError} the connection cannot be made sense of. That the server does not answer is no error here: the
 * source goes on trying.
 */
export async function apiServerSource(
  connection: ApiConnection,
  options: ApiSourceOptions,
): Promise<Source> {
  const server = await findServer(connection, options.clock ?? systemClock)
  return {
    origin: server.url.origin,
    run: (store, signal) => runReflectors(server, options, store, signal),
  }
}

async function runReflectors(
  server: ApiServer,
  options: ApiSourceOptions,
  store: StoreWriter,
  signal: AbortSignal,
): Promise<void> {
  const { wanted, log, onRequest, clock = systemClock, random = Math.random } = options
  const timing = { ...defaultTiming, ...options.timing }
  const trouble = new TroubleLog(log, () => clock.monotonic())
  using client = new ApiClient(server, {
    userAgent: `nodeplane/${version}`,
    clock,
    onRequest,
  })
  const common = { client, store, log, trouble, clock, timing, random }
  const kinds = Object.keys(wanted) as Kind[]
  await Promise.all(
    kinds.map(kind => {
      const selection = wanted[kind] ?? {}
      return new Reflector({ ...common, kind, selection }).run(signal)
    }),
  )
}
