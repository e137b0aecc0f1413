import type { Node } from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import { isAbort } from '#runtime/error.ts'
import { addressesOf } from './node-ips.ts'

export type NodeWait = {
  readonly name: string
  readonly limitMs: number
  /** What the Node must have; an address when not given. */
  readonly isReady?: (node: Node | undefined) => boolean
}

const hasAddress = (node: Node | undefined): boolean => addressesOf(node).length > 0

/**
 * The Node called `name`, once it is there and has what it needs; undefined when it does not come in time. Waits for the list
 * of Nodes for as long as that takes (kube-proxy does too), then `limitMs` for the Node.
 */
export async function waitForNode(
  store: StoreReader,
  { name, limitMs, isReady = hasAddress }: NodeWait,
  signal: AbortSignal,
): Promise<Node | undefined> {
  using feed = store.feed(['Node'])
  using timers = new DisposableStack()
  const limit = new AbortController()
  const either = AbortSignal.any([signal, limit.signal])
  let isListed = false
  for (;;) {
    try {
      await feed.next(either)
    } catch (error) {
      if (signal.aborted || !isAbort(error)) throw error
      return store.get('Node', name)
    }
    if (!store.isSynced('Node')) continue
    const node = store.get('Node', name)
    if (limitMs === 0 || isReady(node)) return node
    if (!isListed) timers.use(setTimeout(() => limit.abort(), limitMs))
    isListed = true
  }
}
