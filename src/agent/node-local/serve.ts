import type { Part } from '#runtime/run-together.ts'
import { NodeLocal, type NodeLocalOptions } from './node-local.ts'

type ServeOptions = NodeLocalOptions & {
  /** Runs the server until its signal is aborted. */
  readonly serve: Part
  readonly isReady: () => boolean
}

/**
 * Runs a DNS server and catches its addresses' queries while it is ready. The server ends after the catching: what was caught it must
 * answer. @throws what the server failed with; the rules are gone before.
 */
export async function serveNodeLocal(
  { serve, isReady, ...options }: ServeOptions,
  signal: AbortSignal,
): Promise<void> {
  await using nodeLocal = await NodeLocal.bind(options, signal)
  const stop = new AbortController()
  const ended = new AbortController()
  const serving = serve(stop.signal).finally(() => ended.abort())
  // Its failure is told below.
  serving.catch(() => undefined)
  try {
    await nodeLocal.catchQueries(isReady, AbortSignal.any([signal, ended.signal]))
  } finally {
    stop.abort()
    await serving
  }
}
