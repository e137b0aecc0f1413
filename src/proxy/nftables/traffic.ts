import type { IpFamily } from '#net/ip.ts'
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
