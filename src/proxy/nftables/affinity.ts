import type { IpFamily } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import { inChunks } from './chunks.ts'
import { concat, protocolName } from './name.ts'
import { nftFamily, type Table, tableText } from './table.ts'

/** A map from a client of a route to the endpoint it had, or to a part of it. */
export type AffinityMap = {
  readonly name: string
  /** What it holds of the endpoint. */
  readonly holds: string
}

/** A client of a route, and what each of the affinity maps has for it. */
export type Remembered = {
  readonly key: string
  readonly values: readonly (string | undefined)[]
}

/** Clients per protocol: whoever comes when there are so many is balanced anew each time. */
const REMEMBERED_CLIENTS = 262_144

/**
 * Together they hold the endpoint. nft 1.0.6 aborts on a rule that fills a map from more than 16 bytes on either side, so
 * in IPv6 address and port lie in two maps. Both are written by the same packets and expire at the same time.
 */
export function affinityMaps(family: IpFamily, protocol: Protocol): readonly AffinityMap[] {
  const name = protocolName(protocol)
  const port = `${name} dport`
  if (family === 4) return [{ name: `affinity-${name}`, holds: concat('ip daddr', port) }]
  return [
    { name: `affinity-${name}`, holds: 'ip6 daddr' },
    { name: `affinity-port-${name}`, holds: port },
  ]
}

/**
 * The client of a route: id and source. In IPv6 a hash of the source, for the same 16 bytes: of 1,000 clients of a Service
 * two share one with odds of 1 to 8,600, and then they only share an endpoint.
 */
const clientKey = (family: IpFamily): string =>
  concat('meta priority', family === 4 ? 'ip saddr' : 'jhash ip6 saddr mod 4294967295 seed 0x1')

/** What {@link clientKey} is of the type of. Not itself: nft 1.0.6 dies of a map that says `jhash` when it lists it. */
const clientKeyType = (family: IpFamily): string =>
  concat('meta priority', family === 4 ? 'ip saddr' : 'numgen random mod 65536')

/** The declarations of these maps. */
export const affinityDeclarations = (family: IpFamily, protocol: Protocol): readonly string[] =>
  affinityMaps(family, protocol).map(
    ({ name, holds }) =>
      `map ${name} { typeof ${clientKeyType(family)} : ${holds}; size ${REMEMBERED_CLIENTS}; flags dynamic,timeout; }`,
  )

/** Sends a client to the endpoint that it had. */
export function recallingRule(family: IpFamily, protocol: Protocol): string {
  const endpoint = affinityMaps(family, protocol).map(
    ({ name }) => `${clientKey(family)} map @${name}`,
  )
  const match = `meta l4proto ${protocolName(protocol)}`
  return `${match} dnat ${nftFamily(family)} to ${endpoint.join(' : ')}`
}

/** Notes which endpoint the client of a connection got, for so many seconds from now. */
export const rememberingRules = (
  { family, protocol }: { readonly family: IpFamily; readonly protocol: Protocol },
  seconds: number,
): readonly string[] =>
  affinityMaps(family, protocol).map(
    ({ name, holds }) =>
      `meta l4proto ${protocolName(protocol)} update @${name} { ${clientKey(family)} timeout ${seconds}s : ${holds} }`,
  )

/** Joins the listings of the affinity maps of one protocol, given in their order. */
export function rememberedIn(
  listings: readonly ReadonlyMap<string, string>[],
): readonly Remembered[] {
  const keys = new Set(listings.flatMap(listing => [...listing.keys()]))
  return [...keys].map(key => ({ key, values: listings.map(listing => listing.get(key)) }))
}

/** Entries in one transaction that makes clients forget; few, as one that has changed refuses all. */
const FORGOTTEN_AT_ONCE = 500

/**
 * Makes clients forget their endpoints, in transactions of their own. An entry that has expired meanwhile is no error, but
 * one with another endpoint by now refuses its transaction.
 */
export function* renderForgetting(
  table: Table,
  protocol: Protocol,
  entries: readonly Remembered[],
): Generator<string> {
  const maps = affinityMaps(table.family, protocol)
  for (const some of inChunks(entries, FORGOTTEN_AT_ONCE)) {
    const texts = maps.flatMap(({ name }, index) => {
      const held = some.filter(({ values }) => values[index] !== undefined)
      if (held.length === 0) return []
      const pairs = held.map(({ key, values }) => `${key} : ${values[index]}`)
      const keys = held.map(({ key }) => key)
      const map = `element ${tableText(table)} ${name}`
      return [`add ${map} { ${pairs.join(', ')} }\n`, `delete ${map} { ${keys.join(', ')} }\n`]
    })
    yield texts.join('')
  }
}
