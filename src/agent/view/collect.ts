import type { Attachment } from '#cni/attachment.ts'
import { type HttpHandler, type HttpRoutes, routed } from '#runtime/http-server.ts'
import type { CniPart } from '../parts/cni.ts'
import type { CollectedAttachment, CollectedView } from './types.ts'

/** What removes attachments whose containers have gone, of one network or of all. */
export type Collect = (network: string | undefined) => Promise<CollectedView | undefined>

/** How long it may take, milliseconds: the server gives up an answer after 5 s. */
const TIMEOUT_MS = 4_000

/** Ends what of a network, or of all, has gone; undefined before calls are served. */
export async function collectGone(
  cni: Pick<CniPart, 'collect' | 'attachments'>,
  network: string | undefined,
  stop: AbortSignal,
): Promise<CollectedView | undefined> {
  const swept = await cni.collect(network, AbortSignal.any([stop, AbortSignal.timeout(TIMEOUT_MS)]))
  if (swept === undefined) return undefined
  const gone = cni.attachments.filter(
    ({ entry, isGone }) => isGone && (network === undefined || entry.network === network),
  )
  return {
    removed: swept.removed.map(nameOf),
    failed: swept.failed.map(({ entry, reason }) => ({ ...nameOf(entry), reason })),
    left: gone.length,
  }
}

const nameOf = ({ network, containerId, ifname }: Attachment): CollectedAttachment => ({
  network,
  containerId,
  interface: ifname,
})

/** Where it is asked for. */
export const COLLECT_PATH = '/api/v1/cni-gc'

/** Routes for root: beside what is read, the one thing that is done, by `POST /api/v1/cni-gc[?network=N]`. */
export function withCollecting(routes: HttpRoutes, collect: Collect): HttpHandler {
  const read = routed(routes)
  return async request => {
    const { method, path, query } = request
    if (method !== 'POST' || path !== COLLECT_PATH) return read(request)
    const collected = await collect(query.get('network') ?? undefined)
    const status = collected === undefined ? 404 : 200
    const body = `${JSON.stringify(collected ?? { error: 'not found' })}\n`
    return { status, body, contentType: 'application/json' }
  }
}
