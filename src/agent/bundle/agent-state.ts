import { describeError } from '#runtime/error.ts'
import { getView } from '../view/client.ts'
import type { TextEntry } from './commands.ts'

/** Pages of the agent's HTTP server, by their place in the bundle. */
const pages: Readonly<Record<string, string>> = {
  'agent/livez.txt': '/livez',
  'agent/readyz.txt': '/readyz',
  'agent/metrics.txt': '/metrics',
}

/** Views of its API, by their paths. */
const views = ['status', 'node', 'services', 'dns', 'pods', 'routes', 'incidents'] as const

const TIMEOUT_MS = 5000

/** What a running agent says of itself; an entry says why where it says nothing. `http` is `HOST:PORT`, `socket` a path. */
export async function agentState(
  { http, socket }: { readonly http: string; readonly socket: string },
  signal: AbortSignal,
): Promise<readonly TextEntry[]> {
  return Promise.all([
    ...Object.entries(pages).map(async ([name, path]) => ({
      name,
      text: await textOf(`http://${http}${path}`, signal),
    })),
    ...views.map(async path => ({
      name: `agent/${path}.json`,
      text: await viewOf(socket, path),
    })),
  ])
}

async function viewOf(socket: string, path: string): Promise<string> {
  try {
    return `${JSON.stringify(await getView(socket, path), undefined, 2)}\n`
  } catch (error) {
    return `${describeError(error)}\n`
  }
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
