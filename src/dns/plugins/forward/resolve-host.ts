import { lookup, Resolver } from 'node:dns/promises'
import { formatHostPort, type IpAddress, parseIp } from '#net/ip.ts'
import type { UpstreamAddress } from './targets.ts'

/** How long a look-up of a server's name may take at start, milliseconds. */
const LOOKUP_MS = 2000

/**
 * The addresses of a host, by the system, or by these servers when there are some (`resolver`).
 * @throws the error of the look-up.
 */
export async function resolveHost(
  host: string,
  servers: readonly UpstreamAddress[],
): Promise<readonly IpAddress[]> {
  if (servers.length === 0) return addressesOf((await lookup(host, { all: true })).map(toText))
  const resolver = new Resolver({ timeout: LOOKUP_MS, tries: 2 })
  resolver.setServers(servers.map(({ address, port }) => formatHostPort(address, port)))
  const found = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
  const addresses = found.flatMap(result => (result.status === 'fulfilled' ? result.value : []))
  const [failure] = found.filter(result => result.status === 'rejected')
  if (addresses.length === 0 && failure !== undefined) throw failure.reason as Error
  return addressesOf(addresses)
}

const toText = ({ address }: { readonly address: string }): string => address

const addressesOf = (texts: readonly string[]): readonly IpAddress[] =>
  texts.flatMap(text => parseIp(text) ?? [])
