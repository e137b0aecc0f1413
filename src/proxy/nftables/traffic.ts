import type { NftCounter } from '#linux/nft-elements.ts'
import type { IpFamily } from '#net/ip.ts'
import type { ServiceTraffic } from '../backend.ts'
import { nftFamily } from './table.ts'

/** Only a match of the protocol gives the original port its type. */
export const typedPorts = 'meta l4proto { tcp, udp, sctp } '

/** Where a connection was sent before DNAT, as conntrack knows it. */
export const originalVip = (family: IpFamily): string =>
  `${typedPorts}ct original ${nftFamily(family)} daddr . meta l4proto . ct original proto-dst`

/** The same for node ports, on addresses where they were reached. */
export const originalNodePort = (family: IpFamily): string =>
  `ct original ${nftFamily(family)} daddr @node-addresses ${typedPorts}meta l4proto . ct original proto-dst`

/**
 * Counts a packet of a connection to a Service, in either direction, with the destination of the connection. Each packet
 * comes through one of the hooks forward, input and output.
 */
export const countingRules = (family: IpFamily): readonly string[] => [
  `${originalVip(family)} @traffic return`,
  `${originalNodePort(family)} @traffic-nodeports`,
]

/** The containers that count, and what: connections by their first packet, or all packets of them. */
export const counting = [
  { kind: 'map', name: 'vips', of: 'vips', counts: 'connections' },
  { kind: 'map', name: 'vips-inside', of: 'vips', counts: 'connections' },
  { kind: 'map', name: 'nodeports', of: 'nodeports', counts: 'connections' },
  { kind: 'map', name: 'nodeports-inside', of: 'nodeports', counts: 'connections' },
  { kind: 'set', name: 'traffic', of: 'vips', counts: 'packets' },
  { kind: 'set', name: 'traffic-nodeports', of: 'nodeports', counts: 'packets' },
] as const
export type Counting = (typeof counting)[number]

/** The sums by owner of what the kernel counted at the destinations; `owners` names each `vips KEY` or `nodeports KEY`. */
export function sumTraffic(
  owners: Iterable<{ readonly name: string; readonly owner: string }>,
  listings: readonly (readonly [Counting, ReadonlyMap<string, NftCounter>])[],
): ReadonlyMap<string, ServiceTraffic> {
  const sums = new Map<string, ServiceTraffic>()
  const ownerOf = new Map<string, string>()
  for (const { name, owner } of owners) {
    if (!/^(vips|nodeports) /.test(name)) continue
    ownerOf.set(name, owner)
    sums.set(owner, NONE)
  }
  for (const [{ of, counts }, counters] of listings) {
    for (const [key, counter] of counters) {
      const owner = ownerOf.get(`${of} ${key}`)
      if (owner === undefined) continue
      const { connections, packets, bytes } = sums.get(owner) ?? NONE
      const sum =
        counts === 'connections'
          ? { connections: connections + counter.packets, packets, bytes }
          : { connections, packets: packets + counter.packets, bytes: bytes + counter.bytes }
      sums.set(owner, sum)
    }
  }
  return sums
}

const NONE: ServiceTraffic = { connections: 0, packets: 0, bytes: 0 }
