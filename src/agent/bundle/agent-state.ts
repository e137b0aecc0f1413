import { describeError } from '#runtime/error.ts'
import type { TextEntry } from './commands.ts'

/** Pages of the agent's HTTP server, by their place in the bundle. */
const pages: Readonly<Record<string, string>> = {
  'agent/livez.txt': '/livez',
  'agent/readyz.txt': '/readyz',
  'agent/metrics.txt': '/metrics',
}

const TIMEOUT_MS = 5000

/** What a running agent says of itself; an entry says why where it says nothing. `address` is `HOST:PORT`. */
export async function agentState(
  address: string,
  signal: AbortSignal,
): Promise<readonly TextEntry[]> {
  return Promise.all(
    Object.entries(pages).map(async ([name, path]) => ({
      name,
      text: await textOf(`http://${address}${path}`, signal),
    })),
  )
}

async function textOf(url: string, signal: AbortSignal): Promise<string> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
    const answer = await fetch(url, { signal: limit })
    return `${answer.ok ? '' : `HTTP ${answer.status}\n`}${await answer.text()}`
  } catch (error) {
    signal.throwIfAborted()
    return `${url}: ${describeError(error)}\n`
  }
}
