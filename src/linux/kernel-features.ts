import { ExecError, isProgramMissing } from './exec.ts'
import { encodeAttributes } from './netlink/attribute.ts'
import { isUnsupported, NetlinkError } from './netlink/error.ts'
import { IFINFOMSG_BYTES, Ifla, linkInfo, RTM_NEWLINK } from './netlink/link-message.ts'
import { Flag } from './netlink/message.ts'
import type { NetlinkSocket } from './netlink/socket.ts'
import { checkNft, NftError } from './nft.ts'

/**
 * Can the kernel make links of a kind (`vxlan`)? It is asked for one with the address 00:00:00:00:00:00, which every kind refuses
 * (`validate` of struct rtnl_link_ops), so none is made; a module that offers the kind is loaded by that, as at real use.
 */
export async function hasLinkKind(socket: NetlinkSocket, kind: string): Promise<boolean> {
  const attributes = encodeAttributes([
    { type: Ifla.address, value: Buffer.alloc(6) },
    linkInfo(kind, []),
  ])
  try {
    await socket.request({
      operation: `ask for link kind ${kind}`,
      type: RTM_NEWLINK,
      flags: Flag.create | Flag.exclusive,
      payload: Buffer.concat([Buffer.alloc(IFINFOMSG_BYTES), attributes]),
    })
  } catch (error) {
    if (error instanceof NetlinkError) return !isUnsupported(error)
    throw error
  }
  return true
}

/** What the rules of DNS and of the masquerade are made of. (nft's own words cannot name a chain.) */
const NFT_PROBE = `table ip nodeplane-probe {
  chain probe-masquerade { type nat hook postrouting priority 100; policy accept; masquerade fully-random; }
  chain probe-raw { type filter hook prerouting priority -300; policy accept; udp dport 53 notrack; }
}
`

/**
 * Why nftables cannot do what rules like these and {@link NFT_PROBE} need; undefined: it can. The kernel gets them in a transaction
 * that is never committed.
 */
export async function whyNoNftables(
  rules: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    await checkNft(NFT_PROBE + rules, signal)
    return undefined
  } catch (error) {
    if (isProgramMissing(error)) return 'the program nft is not installed'
    if (error instanceof NftError || error instanceof ExecError) return error.message
    throw error
  }
}
