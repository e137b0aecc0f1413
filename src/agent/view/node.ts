import type { Kind } from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import { version } from '#runtime/version.ts'
import type { ReadinessCheck } from '../readiness.ts'
import type { ClusterView, NodeView, PartView } from './types.ts'

export type NodeViewInput = {
  readonly node: string
  readonly checks: readonly ReadinessCheck[]
  readonly cluster: ClusterView
  readonly nowMs: number
}

/** How the node and this process are. */
export function nodeView({ node, checks, cluster, nowMs }: NodeViewInput): NodeView {
  const parts = checks.map(({ part, whyNot }): PartView => {
    const reason = whyNot()
    return reason === undefined ? { part, ok: true } : { part, ok: false, reason }
  })
  const { user, system } = process.cpuUsage()
  return {
    node,
    version,
    pid: process.pid,
    startedMs: Math.round(performance.timeOrigin),
    nowMs,
    ready: parts.every(({ ok }) => ok),
    parts,
    cluster,
    memoryBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1e6,
  }
}

/** What of the cluster is known. */
export const kindsView = (store: StoreReader, kinds: readonly Kind[]): ClusterView['kinds'] =>
  kinds.map(kind => ({ kind, count: [...store.list(kind)].length, synced: store.isSynced(kind) }))
