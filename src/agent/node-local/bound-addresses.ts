import { decodeAddress, ensureAddress, RTM_DELADDR, removeAddress } from '#linux/netlink/address.ts'
import { RouteGroup, watchNftTable, watchRouting } from '#linux/netlink/events.ts'
import { findLink } from '#linux/netlink/link.ts'
import type { Message } from '#linux/netlink/message.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { childWriter } from '#linux/nft.ts'
import { listNftTable } from '#linux/nft-listing.ts'
import { addressBits, familyOf, type IpAddress, ipFamilies, parseIp } from '#net/ip.ts'
import { ADDRESSES_SET, ADDRESSES_TABLE, renderAddresses, renderRemoval } from './render.ts'

/**
 * Makes the loopback link have these addresses, and none that an earlier run left. A table remembers them before they are there,
 * so that whatever a killed process leaves is found. An address on this link changes nothing for its Service: destinations are
 * translated before they are routed.
 * @throws {NetlinkError} @throws {NftError} @throws {ExecError}
 */
export async function bindAddresses(
  addresses: readonly IpAddress[],
  signal: AbortSignal,
): Promise<void> {
  const before = await leftAddresses(signal)
  await remember([...new Set([...before, ...addresses])], signal)
  await withLoopback(async loopback => {
    for (const address of addresses) await loopback.ensure(address)
    for (const address of before) {
      if (!addresses.includes(address)) await loopback.remove(address)
    }
  })
  await remember(addresses, signal)
}

/** Undoes {@link bindAddresses}, of this run or an earlier one. Idempotent. */
export const unbindAddresses = (signal: AbortSignal): Promise<void> => bindAddresses([], signal)

/**
 * Puts back what somebody took away.
 * @returns how many addresses were gone, from the link or from the table that remembers them.
 * @throws {NetlinkError} @throws {NftError} @throws {ExecError}
 */
export async function restoreAddresses(
  addresses: readonly IpAddress[],
  signal: AbortSignal,
): Promise<number> {
  const remembered = await leftAddresses(signal)
  const gone = new Set(addresses.filter(address => !remembered.includes(address)))
  if (gone.size > 0) await remember(addresses, signal)
  await withLoopback(async loopback => {
    for (const address of addresses) if (await loopback.ensure(address)) gone.add(address)
  })
  return gone.size
}

/** Calls `onChange` when one of the addresses is taken from a link, or the table that remembers them changes. */
export function watchAddresses(addresses: readonly IpAddress[], onChange: () => void): Disposable {
  using stack = new DisposableStack()
  const groups = [RouteGroup.address4, RouteGroup.address6]
  const onMessage = ({ type, payload }: Message) => {
    // Pods' links come and go with addresses of their own.
    if (type !== RTM_DELADDR) return
    if (addresses.includes(decodeAddress(payload).prefix.address)) onChange()
  }
  stack.use(watchRouting(groups, onMessage, onChange))
  stack.use(watchNftTable(ADDRESSES_TABLE, onChange))
  return stack.move()
}

async function leftAddresses(signal: AbortSignal): Promise<readonly IpAddress[]> {
  const found: IpAddress[] = []
  for (const family of ipFamilies) {
    const table = await listNftTable({ family, name: ADDRESSES_TABLE }, signal)
    for (const text of table?.elements.get(ADDRESSES_SET)?.keys() ?? []) {
      const address = parseIp(text)
      if (address !== undefined) found.push(address)
    }
  }
  return found
}

async function remember(addresses: readonly IpAddress[], signal: AbortSignal): Promise<void> {
  const text = ipFamilies.map(family => {
    const own = addresses.filter(address => familyOf(address) === family)
    return own.length > 0 ? renderAddresses(family, own) : renderRemoval(family, ADDRESSES_TABLE)
  })
  await childWriter.apply(text.join(''), signal)
}

type Loopback = {
  /** False when it was there. */
  readonly ensure: (address: IpAddress) => Promise<boolean>
  readonly remove: (address: IpAddress) => Promise<unknown>
}

async function withLoopback(act: (loopback: Loopback) => Promise<void>): Promise<void> {
  using socket = NetlinkSocket.open()
  const link = await findLink(socket, 'lo')
  if (link === undefined) throw new TypeError('a network namespace without loopback link')
  const settingsOf = (address: IpAddress) => {
    const family = familyOf(address)
    return { linkIndex: link.index, prefix: { family, address, length: addressBits(family) } }
  }
  await act({
    ensure: address => ensureAddress(socket, settingsOf(address)),
    remove: address => removeAddress(socket, settingsOf(address)),
  })
}
