import type { Node } from '#cluster/objects.ts'
import { type Connection, openSource } from '#cluster/open-source.ts'
import { Store } from '#cluster/store.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { isAbort, NodeplaneError } from '#runtime/error.ts'
import { createLogger } from '#runtime/log.ts'
import type { CommandIo } from './command-line.ts'

/** The Node did not get its pod ranges in time. */
class NoPodCidrsError extends NodeplaneError {
  readonly code = 'ERR_NO_POD_CIDRS'
}

export type NodePodCidrsOptions = {
  readonly connection: Connection
  readonly nodeName: string
  /** A new node waits for the controller manager, which gives the ranges out. */
  readonly timeoutMs: number
}

/**
 * `spec.podCIDRs` of a Node, as soon as it has some.
 * @throws {ConfigError} the connection makes no sense. @throws {NoPodCidrsError}
 */
export async function podCidrsOfNode(
  { connection, nodeName, timeoutMs }: NodePodCidrsOptions,
  { stderr, signal }: CommandIo,
): Promise<readonly IpPrefix[]> {
  const wanted = { Node: { fieldSelector: `metadata.name=${nodeName}` } }
  const log = await createLogger('warn', stderr.isTTY === true)
  const source = await openSource(connection, { wanted, log })
  const store = new Store()
  const done = new AbortController()
  const stop = AbortSignal.any([signal, done.signal])
  const running = source.run(store, stop)
  // A source returns only when it is stopped; it may fail before.
  const failed = running.then(() => [])
  try {
    const found = untilGiven(store, AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]))
    return await Promise.race([found, failed])
  } catch (error) {
    if (!isAbort(error) || signal.aborted) throw error
    const message = `${source.origin}: Node ${nodeName} has no podCIDRs after ${timeoutMs / 1000} s`
    throw new NoPodCidrsError(message)
  } finally {
    done.abort()
    await running.catch(() => {})
  }
}

async function untilGiven(store: Store, signal: AbortSignal): Promise<readonly IpPrefix[]> {
  using feed = store.feed(['Node'])
  for (;;) {
    const [node] = [...store.list('Node')]
    const prefixes = node === undefined ? [] : prefixesOf(node)
    if (prefixes.length > 0) return prefixes
    await feed.next(signal)
  }
}

const prefixesOf = ({ podCIDRs }: Node): readonly IpPrefix[] =>
  podCIDRs.flatMap(text => parsePrefix(text) ?? [])
