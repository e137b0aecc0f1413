import type { IpFamily } from '#net/ip.ts'
import { addressFamily } from './netlink/address.ts'
import { encodeAttributes, textAttribute } from './netlink/attribute.ts'
import { isNotFound } from './netlink/error.ts'
import { NETLINK_NETFILTER } from './netlink/raw-socket.ts'
import { NetlinkSocket } from './netlink/socket.ts'

/** NFNL_SUBSYS_NFTABLES in the high byte, NFT_MSG_GETRULE in the low one (linux/netfilter/nf_tables.h). */
const GET_RULE = (10 << 8) | 7
/** NFTA_RULE_… */
const NftaRule = { table: 1, chain: 2 } as const

/** A chain of a table. */
export type NftChainPlace = {
  readonly family: IpFamily
  readonly table: string
  readonly chain: string
}

/** How many rules a chain has, by netlink and so without a child process; 0 when it is not there. @throws {NetlinkError} */
export async function countNftRules({ family, table, chain }: NftChainPlace): Promise<number> {
  using socket = NetlinkSocket.open(undefined, NETLINK_NETFILTER)
  // struct nfgenmsg
  const header = Buffer.of(addressFamily(family), 0, 0, 0)
  const place = encodeAttributes([
    textAttribute(NftaRule.table, table),
    textAttribute(NftaRule.chain, chain),
  ])
  try {
    const rules = await socket.dump({
      operation: `list the rules of ${table} ${chain}`,
      type: GET_RULE,
      payload: Buffer.concat([header, place]),
    })
    return rules.length
  } catch (error) {
    if (isNotFound(error)) return 0
    throw error
  }
}
