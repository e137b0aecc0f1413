import type { Protocol } from '#net/protocol.ts'
import type { Pace } from '#runtime/pace.ts'
import { protocolName } from './name.ts'

/** The maps and sets of our table; README.md says what each is for. */
export const containers = [
  'vips',
  'vips-inside',
  'nodeports',
  'nodeports-inside',
  'lb',
  'spread',
  'remember',
  'sticky-endpoints',
  'endpoints-tcp',
  'endpoints-udp',
  'endpoints-sctp',
  'restricted',
  'source-ranges',
  'cluster-ips',
  'service-cidrs',
  'hairpins',
  'masquerade-vips',
  'masquerade-nodeports',
  'traffic',
  'traffic-nodeports',
] as const
export type Container = (typeof containers)[number]

/** The map of a protocol's endpoints. */
export const endpointsOf = (protocol: Protocol) =>
  `endpoints-${protocolName(protocol)}` as const satisfies Container

/** One element, as nft writes it; `value` is empty in a set. */
export type Element = {
  readonly container: Container
  readonly key: string
  readonly value: string
}

/** What happens to one element: `before` undefined = added, `after` undefined = deleted. */
export type ElementChange = {
  readonly container: Container
  readonly key: string
  readonly before: string | undefined
  readonly after: string | undefined
}

/** Elements by container and key. */
export type Elements = ReadonlyMap<Container, ReadonlyMap<string, string>>

/**
 * Changes in the order they are to be made: each list is a transaction. `later` holds what packets on their way may
 * still look up: the kernel applies a transaction at once, but the look-ups of one packet can fall on either side of it.
 */
export type Changes = {
  /** Chains made on demand that must be there before the verdicts that name them. */
  readonly chains: readonly string[]
  readonly now: readonly ElementChange[]
  readonly later: readonly ElementChange[]
  /** Those that nothing names any more, deleted with `later`. */
  readonly unusedChains: readonly string[]
  /** Protocols of routes with affinity that lost an endpoint: clients may be remembered that are to be forgotten. */
  readonly forgetful: readonly Protocol[]
}

export const isEmpty = ({ chains, now, later, unusedChains }: Changes): boolean =>
  chains.length + now.length + later.length + unusedChains.length === 0

/** Is this change to wait for a later transaction? Whoever found a `vips` element goes on to these. */
export const isDeferred = ({ container, after }: ElementChange): boolean =>
  after === undefined &&
  (container === 'lb' || container === 'spread' || container.startsWith('endpoints-'))

/** Elements by container and key, without containers that have none; the last of equal keys counts. */
export function indexElements(elements: Iterable<Element>): Elements {
  const index = new Map<Container, Map<string, string>>()
  for (const { container, key, value } of elements) {
    const known = index.get(container)
    if (known === undefined) index.set(container, new Map([[key, value]]))
    else known.set(key, value)
  }
  return index
}

/** The changes that make `before` like `after`, container by container. */
export function* diffElements(before: Elements, after: Elements): Generator<ElementChange> {
  for (const container of containers) {
    const old = before.get(container) ?? NOTHING
    const wanted = after.get(container) ?? NOTHING
    for (const [key, value] of old) {
      if (!wanted.has(key)) yield { container, key, before: value, after: undefined }
    }
    for (const [key, value] of wanted) {
      const was = old.get(key)
      if (was !== value) yield { container, key, before: was, after: value }
    }
  }
}

/**
 * As {@link diffElements}, for all elements of a table, each given once by `wanted`: without an index of them, and with
 * breaks.
 */
export async function compareElements(
  found: Elements,
  wanted: () => Iterable<Element>,
  pace: Pace,
): Promise<readonly ElementChange[]> {
  const changes = new Map<Container, ElementChange[]>(containers.map(name => [name, []]))
  const kept = new Map<Container, number>()
  for (const { container, key, value } of wanted()) {
    await pace.breathe()
    const before = found.get(container)?.get(key)
    if (before !== undefined) kept.set(container, (kept.get(container) ?? 0) + 1)
    if (before !== value) changes.get(container)?.push({ container, key, before, after: value })
  }
  for (const [container, own] of changes) {
    const old = found.get(container) ?? NOTHING
    // Nearly always nothing has to go.
    if (old.size === (kept.get(container) ?? 0)) continue
    const left = new Set(old.keys())
    for (const element of wanted()) {
      await pace.breathe()
      if (element.container === container) left.delete(element.key)
    }
    const gone = Array.from(left, key => ({
      container,
      key,
      before: old.get(key),
      after: undefined,
    }))
    changes.set(container, [...gone, ...own])
  }
  return [...changes.values()].flat()
}

const NOTHING: ReadonlyMap<string, string> = new Map()
