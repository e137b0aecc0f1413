import { listAddresses } from '#linux/netlink/address.ts'
import { findLink } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { listNftTableNames } from '#linux/nft-tables.ts'
import { familyOf, type IpAddress } from '#net/ip.ts'
import type { DifferenceView } from '../view/types.ts'
import { ADDRESSES_TABLE, RULES_TABLE } from './render.ts'

/** What of node-local DNS is not in the kernel; writes nothing. @throws {NetlinkError} */
export async function nodeLocalDifferences(
  addresses: readonly IpAddress[],
): Promise<readonly DifferenceView[]> {
  const bound = await loopbackAddresses()
  const differences = addresses
    .filter(address => !bound.has(address))
    .map((address): DifferenceView => ({ place: 'link lo', wanted: `address ${address}` }))
  for (const family of new Set(addresses.map(familyOf))) {
    const present = await listNftTableNames(family)
    for (const table of [ADDRESSES_TABLE, RULES_TABLE]) {
      const place = `table ${family === 4 ? 'ip' : 'ip6'} ${table}`
      if (!present.includes(table)) differences.push({ place, wanted: 'is there' })
    }
  }
  return differences
}

async function loopbackAddresses(): Promise<ReadonlySet<IpAddress>> {
  using socket = NetlinkSocket.open()
  const lo = await findLink(socket, 'lo')
  const all = await listAddresses(socket, lo?.index ?? 0)
  return new Set(all.map(({ prefix }) => prefix.address))
}
