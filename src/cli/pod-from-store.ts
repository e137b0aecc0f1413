import type { Pod } from '#cluster/objects.ts'
import { type Connection, openSource } from '#cluster/open-source.ts'
import { Store } from '#cluster/store.ts'
import { ConfigError, isAbort, NodeplaneError } from '#runtime/error.ts'
import { createLogger } from '#runtime/log.ts'
import type { CommandIo } from './command-line.ts'

/** Pods must be listed within this. */
const LIST_LIMIT_MS = 30_000

/** The objects did not come. */
class ListError extends NodeplaneError {
  readonly code = 'ERR_LIST'
}

/**
 * One pod of a cluster or of a directory of manifests, by `namespace/name`. Only that pod is asked for.
 * @throws {ConfigError} there is no such pod.
 */
export async function podFromStore(
  objects: Connection,
  key: string,
  { stderr, signal }: CommandIo,
): Promise<Pod> {
  const [namespace = '', name = ''] = key.split('/', 2)
  const fieldSelector = `metadata.namespace=${namespace},metadata.name=${name}`
  const log = await createLogger('warn', stderr.isTTY === true)
  const source = await openSource(objects, { wanted: { Pod: { fieldSelector } }, log })
  const store = new Store()
  const found = new AbortController()
  const stop = AbortSignal.any([signal, found.signal])
  const running = source.run(store, stop)
  try {
    const listed = untilListed(store, AbortSignal.any([stop, AbortSignal.timeout(LIST_LIMIT_MS)]))
    // A source returns only when it is stopped; it may fail before.
    await Promise.race([listed, running])
  } catch (error) {
    if (!isAbort(error) || signal.aborted) throw error
    throw new ListError(`${source.origin}: no list of pods within ${LIST_LIMIT_MS / 1000} s`)
  } finally {
    found.abort()
    await running.catch(() => {})
  }
  const pod = store.get('Pod', key)
  if (pod !== undefined) return pod
  throw new ConfigError([{ field: 'pod', message: `${source.origin} has no pod ${key}` }])
}

async function untilListed(store: Store, signal: AbortSignal): Promise<void> {
  using feed = store.feed(['Pod'])
  while (!store.isSynced('Pod')) await feed.next(signal)
}
