import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import {
  type HttpPlace,
  type HttpRoutes,
  type HttpServer,
  startHttpServer,
} from '#runtime/http-server.ts'
import type { Logger } from '#runtime/log.ts'
import { untilAborted } from '#runtime/run-together.ts'
import { parseAddressWithPort } from '../config/leaf.ts'

/** kube-proxy tries a bind again after this. */
const RETRY_MS = 5_000

export type ServeOptions = {
  /** For logs: `health` or `metrics`. */
  readonly name: string
  /** `IP:PORT`; empty for no server. */
  readonly address: string
  readonly routes: HttpRoutes
  /** A failed bind is an error instead of being tried again. */
  readonly hardFail: boolean
  /** Told of the first failed bind. */
  readonly onFailure?: ((error: unknown) => void) | undefined
  /** See {@link HttpPlace}. */
  readonly timeoutMs?: number | undefined
  readonly log: Logger
  readonly clock: Clock
}

/**
 * Serves until the signal is aborted, then returns. A failed bind is logged and tried again.
 * @throws the system error of a failed bind, with `hardFail`.
 */
export async function serve(options: ServeOptions, signal: AbortSignal): Promise<void> {
  const place = parseAddressWithPort(options.address, 0)
  if (place === undefined || signal.aborted) return
  await using server = await bind(
    { host: place.ip, port: place.port, timeoutMs: options.timeoutMs },
    options,
    signal,
  )
  if (server === undefined) return
  const { name, log } = options
  log.info({ server: name, host: server.host, port: server.port }, 'listening')
  await untilAborted(signal)
}

/** undefined when the signal was aborted first. */
async function bind(
  place: HttpPlace,
  { name, address, routes, hardFail, onFailure, log, clock }: ServeOptions,
  signal: AbortSignal,
): Promise<HttpServer | undefined> {
  for (let tries = 1; !signal.aborted; tries++) {
    try {
      return await startHttpServer(place, routes)
    } catch (error) {
      if (tries === 1) onFailure?.(error)
      if (hardFail) throw error
      log.error({ server: name, address, reason: describeError(error) }, 'cannot listen')
    }
    await clock.sleep(RETRY_MS, signal).catch(() => {})
  }
  return undefined
}
