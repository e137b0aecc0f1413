import { Pace } from '#runtime/pace.ts'
import type { Kind } from '../objects.ts'
import { Raw } from '../raw.ts'
import type { Selection } from '../source.ts'
import { ApiError, parseJson, sense } from './api-error.ts'
import type { ApiClient } from './client.ts'
import { linesOf } from './line-splitter.ts'
import { resources } from './resource.ts'
import type { ApiTiming } from './timing.ts'

export type WatchRequest = {
  readonly client: ApiClient
  readonly kind: Kind
  readonly selection: Selection
  /** What happened after this is sent. */
  readonly version: string
  readonly timeoutSeconds: number
  readonly timing: ApiTiming
  readonly signal: AbortSignal
}

/** One event of a watch; `object` is as JSON gave it. */
export type WatchEvent = {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  readonly object: unknown
  /** The version this event leads to; a next watch continues from it. */
  readonly version: string
}

/**
 * Asks for a watch; resolves when the server accepts it. The events end when the server ends the watch.
 * @throws {ApiError} before and between events; status 410: list again.
 */
export async function watch(request: WatchRequest): Promise<AsyncIterable<WatchEvent>> {
  const { client, kind, selection, version, timeoutSeconds, timing, signal } = request
  const body = await client.get({
    path: resources[kind].path,
    query: {
      ...selection,
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: version,
      timeoutSeconds,
    },
    answerMs: timing.answerMs,
    silenceMs: timing.watchSilenceMs,
    bodyMs: timeoutSeconds * 1000 + timing.watchGraceMs,
    signal,
  })
  return eventsOf(body)
}

async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<WatchEvent> {
  const pace = new Pace()
  for await (const line of linesOf(body)) {
    yield parseWatchEvent(line)
    await pace.breathe()
  }
}

/**
 * Reads one line of a watch.
 * @throws {ApiError} it is an ERROR event (with its status), or no event at all.
 */
export function parseWatchEvent(line: string): WatchEvent {
  const parsed = parseJson('an event of a watch', line)
  return sense('an event of a watch', () => {
    const event = new Raw(parsed)
    const object = event.get('object')
    const type = event.get('type').string()
    if (type === 'ERROR') throw errorEvent(object)
    if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED' && type !== 'BOOKMARK') {
      throw new ApiError('garbage', `'${type}' is no type of an event of a watch`)
    }
    const version = object.get('metadata').get('resourceVersion').requiredString()
    return { type, object: (parsed as { object: unknown }).object, version }
  })
}

/** The Status object of an ERROR event. */
function errorEvent(object: Raw): ApiError {
  const status = object.get('code').optionalNumber()
  const reason = object.get('reason').string()
  return new ApiError('status', `watch ended: ${reason} ${object.get('message').string()}`, {
    // Old servers name the reason and leave the code out.
    status: reason === 'Expired' || reason === 'Gone' ? 410 : status,
  })
}
