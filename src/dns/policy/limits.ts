import type { Entry } from './entry.ts'
import type { NodeResolver } from './resolv-conf.ts'

/** Nameservers a resolver reads (glibc's MAXNS; Kubernetes' MaxDNSNameservers). */
export const MAX_NAMESERVERS = 3
/** Search suffixes (Kubernetes' MaxDNSSearchPaths). */
export const MAX_SEARCHES = 32
/** Bytes of all search suffixes joined by blanks (Kubernetes' MaxDNSSearchListChars). */
export const MAX_SEARCH_LIST_BYTES = 2048
/** Bytes of one search suffix: a DNS-1123 subdomain. Longer ones made glibc 2.28 abort. */
export const MAX_SEARCH_BYTES = 253

/** What of a list may stay, and each entry that may not, with the limit it breaks. */
export type Fitted = {
  readonly kept: readonly Entry[]
  readonly leftOut: readonly { readonly entry: Entry; readonly limit: string }[]
}

/** The first three nameservers. */
export function fitNameservers(entries: readonly Entry[]): Fitted {
  const limit = `at most ${MAX_NAMESERVERS} nameservers`
  return {
    kept: entries.slice(0, MAX_NAMESERVERS),
    leftOut: entries.slice(MAX_NAMESERVERS).map(entry => ({ entry, limit })),
  }
}

/**
 * The search suffixes a pod gets, by three cuts in the kubelet's order: the first 32 stay; of these the overlong go; then
 * the last go until the joined list fits.
 */
export function fitSearches(entries: readonly Entry[]): Fitted {
  const tooMany = entries.slice(MAX_SEARCHES)
  const first = entries.slice(0, MAX_SEARCHES)
  const tooLong = first.filter(isTooLong)
  const kept = first.filter(entry => !isTooLong(entry))
  const cut: Entry[] = []
  while (joinedBytes(kept) > MAX_SEARCH_LIST_BYTES) cut.unshift(kept.pop() as Entry)
  return {
    kept,
    leftOut: [
      ...tooMany.map(entry => ({ entry, limit: `at most ${MAX_SEARCHES} search suffixes` })),
      ...tooLong.map(entry => ({ entry, limit: `at most ${MAX_SEARCH_BYTES} bytes each` })),
      ...cut.map(entry => ({ entry, limit: `at most ${MAX_SEARCH_LIST_BYTES} bytes together` })),
    ],
  }
}

/**
 * What the kubelet's periodic check says about the search line of the node's file (its event CheckLimitsForResolvConf):
 * the first limit that it breaks, or undefined. With a cluster domain three places are reserved.
 */
export function checkNodeResolver(
  { searches }: NodeResolver,
  clusterDomain: string,
): string | undefined {
  const maxSearches = clusterDomain === '' ? MAX_SEARCHES : MAX_SEARCHES - 3
  if (searches.length > maxSearches) {
    return `${searches.length} search suffixes, more than ${maxSearches}`
  }
  const long = searches.find(isTooLong)
  if (long !== undefined) {
    return `the search suffix ${long.value.slice(0, 40)}… is longer than ${MAX_SEARCH_BYTES} bytes`
  }
  const bytes = joinedBytes(searches)
  return bytes > MAX_SEARCH_LIST_BYTES
    ? `the search line has ${bytes} bytes, more than ${MAX_SEARCH_LIST_BYTES}`
    : undefined
}

const isTooLong = ({ value }: Entry): boolean => Buffer.byteLength(value) > MAX_SEARCH_BYTES

const joinedBytes = (entries: readonly Entry[]): number =>
  Buffer.byteLength(entries.map(({ value }) => value).join(' '))
