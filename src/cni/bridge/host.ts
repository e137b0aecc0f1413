import { randomBytes } from 'node:crypto'
import { ensureAddress, listAddresses, removeAddress } from '#linux/netlink/address.ts'
import { isExists } from '#linux/netlink/error.ts'
import {
  changeLink,
  createBridge,
  findLink,
  type Link,
  type LinkChange,
} from '#linux/netlink/link.ts'
import type { NetlinkSocket } from '#linux/netlink/socket.ts'
import { type MacAddress, macFromBytes } from '#net/mac.ts'
import type { IpPrefix } from '#net/prefix.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import { ignoreRouterAdvertisements } from '../veth/forwarding.ts'
import type { BridgeConfig } from './config.ts'
import { planGateway } from './plan.ts'

type BridgeWish = Pick<BridgeConfig, 'bridge' | 'mtu' | 'promiscMode' | 'vlans'> & {
  /** Of one that is to be made; undefined: by chance. */
  readonly mac?: MacAddress | undefined
}

/**
 * The bridge, up. One that exists is adopted as it is: MTU, MAC, ports and addresses stay.
 * @throws {CniError} code 7: a link of another kind has the name.
 */
export async function ensureBridge(host: NetlinkSocket, wish: BridgeWish): Promise<Link> {
  const link = (await findBridge(host, wish.bridge)) ?? (await makeBridge(host, wish))
  const change: LinkChange = {
    ...(link.isUp ? {} : { isUp: true }),
    // Never switched off: somebody may be capturing packets.
    ...(wish.promiscMode && !link.isPromiscuous ? { isPromiscuous: true } : {}),
  }
  ignoreRouterAdvertisements(link.name)
  if (Object.keys(change).length > 0) await changeLink(host, link.index, change)
  return link
}

/** The bridge with this name, or undefined. @throws {CniError} code 7: a link of another kind has the name. */
export async function findBridge(host: NetlinkSocket, name: string): Promise<Link | undefined> {
  const link = await findLink(host, name)
  if (link === undefined || link.kind === 'bridge') return link
  const kind = link.kind === undefined ? '' : `, it is a ${link.kind}`
  throw new CniError(cniCodes.invalidConfig, `"${name}" already exists but is not a bridge${kind}`)
}

async function makeBridge(host: NetlinkSocket, wish: BridgeWish): Promise<Link> {
  const { bridge, mtu, vlans, mac = randomMac() } = wish
  const vlanFiltering = vlans === undefined ? undefined : true
  try {
    // A bridge whose MAC nobody sets takes the lowest of its ports' and changes it as they come and go, which breaks the
    // neighbour entries of every container. The reference pins it later; born with one, it never changes.
    await createBridge(host, { name: bridge, mtu, mac, vlanFiltering })
  } catch (error) {
    // Another ADD was faster.
    if (!isExists(error)) throw error
  }
  const link = await findBridge(host, bridge)
  if (link === undefined) throw new CniError(cniCodes.tryAgainLater, `bridge ${bridge} vanished`)
  return link
}

/** A locally administered unicast address (IEEE 802, section 8.2). */
function randomMac(): MacAddress {
  const bytes = randomBytes(6)
  bytes[0] = ((bytes[0] as number) & 0xfc) | 0x02
  return macFromBytes(bytes)
}

/**
 * Gives the gateway's link, the bridge or one of its VLANs', the gateways' addresses, usable at once (the reference leaves IPv6 ones tentative for a second).
 * @throws {CniError} code 7: it has another address and `forceAddress` is not set.
 */
export async function ensureGateway(
  host: NetlinkSocket,
  link: Link,
  wanted: readonly IpPrefix[],
  { forceAddress }: Pick<BridgeConfig, 'forceAddress'>,
): Promise<void> {
  const linkIndex = link.index
  const present = (await listAddresses(host, linkIndex)).filter(({ isGlobal }) => isGlobal)
  const { remove, add } = planGateway(
    wanted,
    present.map(({ prefix }) => prefix),
    { bridge: link.name, forceAddress },
  )
  // First out, then in: the kernel removes a subnet's secondary addresses together with its primary one.
  for (const prefix of remove) await removeAddress(host, { linkIndex, prefix })
  // A veth's MAC is its own.
  if (add.length > 0 && link.kind === 'bridge') await pinMac(host, linkIndex)
  for (const prefix of add) await ensureAddress(host, { linkIndex, prefix })
}

/** Sets the MAC of an adopted bridge to what it is, so that it stays. One without ports may have none: 00:00:00:00:00:00. */
async function pinMac(host: NetlinkSocket, index: number): Promise<void> {
  const mac = (await findLink(host, index))?.mac
  const isNone = mac === undefined || mac === '00:00:00:00:00:00'
  await changeLink(host, index, { mac: isNone ? randomMac() : mac })
}
