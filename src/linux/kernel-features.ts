import { ExecError, exec, isProgramMissing } from './exec.ts'
import { encodeAttributes } from './netlink/attribute.ts'
import { isUnsupported, NetlinkError } from './netlink/error.ts'
import { IFINFOMSG_BYTES, Ifla, linkInfo, RTM_NEWLINK } from './netlink/link-message.ts'
import { Flag } from './netlink/message.ts'
import type { NetlinkSocket } from './netlink/socket.ts'

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

/** What the rules of the service proxy, of DNS and of the masquerade are made of. (nft's own words cannot name a chain.) */
const NFT_PROBE = `table ip nodeplane-probe {
  map verdicts { type ipv4_addr . inet_proto . inet_service : verdict; }
  chain probe-nat { type nat hook prerouting priority -100; policy accept;
    ip daddr . meta l4proto . th dport vmap @verdicts
    fib daddr type local ct state new meta l4proto { tcp, udp, sctp } dnat ip to numgen random mod 2 map { 0 : 192.0.2.1, 1 : 192.0.2.2 }
  }
  chain probe-masquerade { type nat hook postrouting priority 100; policy accept; masquerade fully-random; }
  chain probe-filter { type filter hook forward priority 0; policy accept; meta l4proto tcp reject with tcp reset; }
  chain probe-raw { type filter hook prerouting priority -300; policy accept; udp dport 53 notrack; }
}
`

/**
 * Why nftables cannot do what our rules need; undefined: it can. The kernel gets the rules in a transaction that is never
 * committed (`nft --check`).
 */
export async function whyNoNftables(signal: AbortSignal): Promise<string | undefined> {
  try {
    await exec('nft', ['--check', '-f', '-'], { input: NFT_PROBE, signal })
    return undefined
  } catch (error) {
    if (isProgramMissing(error)) return 'the program nft is not installed'
    if (error instanceof ExecError) return error.stderr.split('\n')[0] ?? error.message
    throw error
  }
}
