import { Pace } from '#runtime/pace.ts'
import type { Kind } from '../objects.ts'
import { Raw } from '../raw.ts'
import type { Selection } from '../source.ts'
import { ApiError, parseJson, sense } from './api-error.ts'
import type { ApiClient } from './client.ts'
import { ListSplitter } from './list-splitter.ts'
import { resources } from './resource.ts'
import type { ApiTiming } from './timing.ts'

/** Objects a page of a list has; client-go asks for as many. */
export const PAGE_SIZE = 500

export type ListRequest = {
  readonly client: ApiClient
  readonly kind: Kind
  readonly selection: Selection
  /** Objects a page; undefined asks for all at once. */
  readonly limit: number | undefined
  readonly timing: ApiTiming
  readonly signal: AbortSignal
  /** Gets every object, as JSON gave it, while the list is still coming. */
  readonly onItem: (item: unknown) => void
}

/**
 * Lists a kind page by page and gives the resource version to watch from. Without `resourceVersion` in the request the
 * answer is the newest state (a quorum read), so a relist never goes back in time.
 * @throws {ApiError} status 410: the continue token expired between two pages, so the pages do not add up.
 */
export async function list(request: ListRequest): Promise<string> {
  let continueToken: string | undefined
  for (;;) {
    const head = await listPage(request, continueToken)
    if (head.continueToken === undefined) return head.version
    continueToken = head.continueToken
  }
}

/** What a page says besides its items. */
type PageHead = { readonly version: string; readonly continueToken: string | undefined }

async function listPage(
  request: ListRequest,
  continueToken: string | undefined,
): Promise<PageHead> {
  const { client, kind, selection, limit, timing, signal, onItem } = request
  const body = await client.get({
    path: resources[kind].path,
    query: { ...selection, limit, continue: continueToken },
    answerMs: timing.answerMs,
    silenceMs: timing.listSilenceMs,
    bodyMs: timing.listMs,
    signal,
  })
  const splitter = new ListSplitter()
  const pace = new Pace()
  for await (const chunk of body) {
    for (const item of splitter.push(chunk)) {
      onItem(parseJson('an item of the list', item))
      await pace.breathe()
    }
  }
  return readHead(kind, new Raw(splitter.end()))
}

const readHead = (kind: Kind, head: Raw): PageHead =>
  sense(`a list of ${resources[kind].plural}`, () => {
    const found = head.get('kind').string()
    if (found !== `${kind}List`) throw new ApiError('garbage', `'${found}' is not ${kind}List`)
    const metadata = head.get('metadata')
    return {
      version: metadata.get('resourceVersion').requiredString(),
      continueToken: metadata.get('continue').string() || undefined,
    }
  })
