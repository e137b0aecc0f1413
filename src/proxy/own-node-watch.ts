import { isDeepStrictEqual } from 'node:util'
import type { Node } from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import { NodeplaneError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { addressesOf } from './config/node-ips.ts'

/** The Node's pod prefixes are others than those the rules were made for. */
export class PodCidrsChangedError extends NodeplaneError {
  readonly code = 'ERR_POD_CIDRS_CHANGED'
  constructor(before: readonly string[], after: readonly string[]) {
    super(`the Node's podCIDRs changed from ${before.join(',')} to ${after.join(',')}; start again`)
  }
}

export type OwnNodeWatch = {
  readonly store: StoreReader
  readonly nodeName: string
  /** The Node that the settings were made from. */
  readonly node: Node | undefined
  /** Do the rules depend on its podCIDRs (detector NodeCIDR)? */
  readonly usesPodCIDRs: boolean
  /** Told of the Node as it is now, and not of its deletion: what was seen last stays in use (kube-proxy, node.go). */
  readonly onNode: (node: Node) => void
  readonly log: Logger
}

/**
 * Watches the own Node for what a running proxy cannot take over, until the signal is aborted. Other addresses and its
 * deletion are only logged, as in kube-proxy (node.go); the zone is followed elsewhere.
 * @throws {PodCidrsChangedError} where the rules depend on them.
 */
export async function watchOwnNode(
  { store, nodeName, node, usesPodCIDRs, onNode, log }: OwnNodeWatch,
  signal: AbortSignal,
): Promise<void> {
  using feed = store.feed(['Node'])
  let last = node
  for (;;) {
    const batch = await feed.next(signal).catch(() => undefined)
    if (batch === undefined) return
    for (const { kind, key, before, after } of batch.changes) {
      if (kind !== 'Node' || key !== nodeName) continue
      if (after === undefined) {
        if (before !== undefined)
          log.warn({ node: nodeName }, 'the Node was deleted; going on as before')
        continue
      }
      onNode(after)
      if (last !== undefined) compare(last, after, log)
      const podCIDRs = node?.podCIDRs ?? []
      if (usesPodCIDRs && !isDeepStrictEqual(podCIDRs, after.podCIDRs)) {
        throw new PodCidrsChangedError(podCIDRs, after.podCIDRs)
      }
      last = after
    }
  }
}

function compare(before: Node, after: Node, log: Logger): void {
  const [old, now] = [addressesOf(before), addressesOf(after)]
  if (!isDeepStrictEqual(old, now)) {
    log.warn({ before: old, after: now }, "the Node's addresses changed; start again to use them")
  }
}
