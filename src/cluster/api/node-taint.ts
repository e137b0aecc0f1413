import { type Clock, systemClock } from '#runtime/clock.ts'
import { version } from '#runtime/version.ts'
import { Raw } from '../raw.ts'
import { ApiError } from './api-error.ts'
import { ApiClient } from './client.ts'
import { resources } from './resource.ts'
import type { ApiConnection } from './server.ts'
import { findServer } from './server.ts'

/** A Node with all its images and conditions stays far below this. */
const MAX_NODE_OCTETS = 8 * 1024 * 1024
const REQUEST_MS = 10_000

/** Opens {@link NodeTaints}. @throws {ConfigError} the connection cannot be made sense of. */
export async function openNodeTaints(
  connection: ApiConnection,
  clock: Clock = systemClock,
): Promise<NodeTaints> {
  const server = await findServer(connection, clock)
  return new NodeTaints(new ApiClient(server, { userAgent: `nodeplane/${version}`, clock }))
}

/** The taints of Nodes at the API server. Needs the verbs get and patch for nodes. */
export class NodeTaints implements Disposable {
  readonly #client: Pick<ApiClient, 'get' | 'patch'> & Disposable

  constructor(client: Pick<ApiClient, 'get' | 'patch'> & Disposable) {
    this.#client = client
  }

  /**
   * Takes all taints with this key off a Node; false when there is none. What others change meanwhile stays: the server refuses a
   * patch of a Node that is not the one that was read.
   * @throws {ApiError} the server did not answer, or refused: status 409 when somebody was faster.
   */
  async remove(node: string, key: string, signal: AbortSignal): Promise<boolean> {
    const limits = { answerMs: REQUEST_MS, silenceMs: REQUEST_MS, bodyMs: REQUEST_MS, signal }
    const request = {
      ...limits,
      path: `${resources.Node.path}/${encodeURIComponent(node)}`,
      query: {},
    }
    const found = await readNode(await this.#client.get(request))
    const taints = found.get('spec').get('taints').items()
    const kept = taints.filter(taint => taint.get('key').string() !== key)
    if (kept.length === taints.length) return false
    const resourceVersion = found.get('metadata').get('resourceVersion').requiredString()
    // A merge patch replaces a list as a whole.
    const spec = { taints: kept.map(({ value }) => value) }
    await this.#client.patch({
      ...request,
      json: JSON.stringify({ metadata: { resourceVersion }, spec }),
    })
    return true
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]()
  }
}

async function readNode(body: AsyncIterable<Uint8Array>): Promise<Raw> {
  const chunks: Uint8Array[] = []
  let octets = 0
  for await (const chunk of body) {
    octets += chunk.length
    if (octets > MAX_NODE_OCTETS) throw new ApiError('garbage', 'read the own Node: it is too long')
    chunks.push(chunk)
  }
  return new Raw(JSON.parse(Buffer.concat(chunks).toString()))
}
