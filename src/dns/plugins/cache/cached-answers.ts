import type { CachedAnswer } from '../../plugin.ts'
import { recordDataText } from '../../record-text.ts'
import type { CachedEntry } from './answer-cache.ts'

/** Entries for people: all, or those of one name (fully qualified, in any letters). */
export function* cachedAnswers(
  entries: Iterable<CachedEntry>,
  name: string | undefined,
): Generator<CachedAnswer> {
  const wanted = name?.toLowerCase()
  for (const { key, leftMs, reply } of entries) {
    // See keyOf: the name, and four words.
    const words = key.split(' ')
    const entryName = words.slice(0, -4).join(' ')
    if (wanted !== undefined && entryName !== wanted) continue
    const { rcode, answers } = reply()
    yield {
      name: entryName,
      type: words.at(-4) ?? '',
      rcode,
      ttl: Math.ceil(leftMs / 1_000),
      records: answers.map(record => `${record.type} ${recordDataText(record)}`),
    }
  }
}
