import type { Kind, ObjectOf } from '#cluster/objects.ts'
import { type Connection, openSource } from '#cluster/open-source.ts'
import { Store } from '#cluster/store.ts'
import { isAbort } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { getView } from '../../view/client.ts'
import type { NodeView } from '../../view/types.ts'
import type { ViewFacts } from '../facts.ts'

/** The cluster as it is known here. */
export type ClusterSeen = {
  readonly store: Store
  readonly view: ViewFacts
  /** The name of the node, where the agent says it. */
  readonly nodeName?: string | undefined
}

/** Without these nothing can be said. */
const neededKinds = ['Service', 'EndpointSlice', 'Node'] as const satisfies readonly Kind[]
/** Not everybody may read pods, and older API servers have no ServiceCIDRs. */
const kinds = [...neededKinds, 'Pod', 'ServiceCIDR'] as const

/** A watch is told something at least every minute or so (bookmarks); a server that says nothing for longer has gone. */
const STALE_MS = 180_000

/** What must be listed is waited for this long. */
const LIST_LIMIT_MS = 5_000

/**
 * What the agent of this node knows: its rules and names are made of the very same.
 * @throws {AgentUnreachableError}
 */
export async function clusterOfAgent(socket: string): Promise<ClusterSeen> {
  const node = await getView<NodeView>(socket, 'node')
  const store = new Store()
  for (const kind of kinds) await takeIn(kind, socket, store)
  return { store, view: viewOf(node), nodeName: node?.node }
}

async function takeIn<K extends Kind>(kind: K, socket: string, store: Store): Promise<void> {
  const objects = await getView<readonly ObjectOf[K][]>(socket, `objects?kind=${kind}`)
  if (objects !== undefined) store.replaceAll(kind, objects)
  // Whoever waits for the own Node must not wait for ever; that pods are not known has to show.
  else if (kind !== 'Pod') store.replaceAll(kind, [])
}

function viewOf(node: NodeView | undefined): ViewFacts {
  const { origin = 'the agent', staleSinceMs, lastHeardMs } = node?.cluster ?? {}
  const nowMs = node?.nowMs ?? Date.now()
  const silentSinceMs =
    lastHeardMs !== undefined && nowMs - lastHeardMs > STALE_MS ? lastHeardMs : undefined
  const sinceMs = staleSinceMs ?? silentSinceMs
  const part = node?.parts.find(each => each.part === 'cluster')
  const isLive = sinceMs === undefined && part?.ok !== false
  return { origin, state: isLive ? 'live' : 'stale', sinceMs, nowMs, reason: part?.reason }
}

/** What an API server or a folder of manifests says now. @throws {ConfigError} the connection makes no sense. */
export async function clusterOfSource(
  connection: Connection,
  log: Logger,
  stop: AbortSignal,
): Promise<ClusterSeen> {
  const store = new Store()
  const wanted = Object.fromEntries(kinds.map(kind => [kind, {}]))
  const source = await openSource(connection, { wanted, log })
  const done = new AbortController()
  const signal = AbortSignal.any([stop, done.signal])
  const running = source.run(store, signal)
  const limit = AbortSignal.timeout(LIST_LIMIT_MS)
  try {
    // A source returns only when it is stopped; it may fail before.
    await Promise.race([untilListed(store, AbortSignal.any([signal, limit])), running])
  } catch (error) {
    if (!isAbort(error) || stop.aborted) throw error
  } finally {
    done.abort()
    await running.catch(() => {})
  }
  const missing = neededKinds.filter(kind => !store.isSynced(kind))
  for (const kind of kinds) {
    if (kind !== 'Pod' && !store.isSynced(kind)) store.replaceAll(kind, [])
  }
  const isListed = missing.length === 0
  const reason = isListed
    ? undefined
    : `no list of ${missing.join(', ')} within ${LIST_LIMIT_MS / 1_000} s`
  const state = isListed ? 'live' : 'unreachable'
  return { store, view: { origin: source.origin, state, nowMs: Date.now(), reason } }
}

async function untilListed(store: Store, signal: AbortSignal): Promise<void> {
  using feed = store.feed(kinds)
  while (!kinds.every(kind => store.isSynced(kind))) await feed.next(signal)
}
