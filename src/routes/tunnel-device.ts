import { ensureAddress, listAddresses, removeAddress } from '#linux/netlink/address.ts'
import { changeLink, type LinkChange, removeLink } from '#linux/netlink/link.ts'
import {
  listNeighbours,
  type NeighbourEntry,
  removeNeighbour,
  replaceNeighbour,
} from '#linux/netlink/neighbour.ts'
import type { NetlinkSocket } from '#linux/netlink/socket.ts'
import { createVxlan, findVxlan, type VxlanLink } from '#linux/netlink/vxlan.ts'
import { ensureSysctl, interfaceSysctl } from '#linux/sysctl.ts'
import { formatPrefix } from '#net/prefix.ts'
import { NodeplaneError } from '#runtime/error.ts'
import type { Attempts } from './attempts.ts'
import type { Tunnel } from './plan.ts'

/** A link that is no tunnel has the name of ours. */
class TunnelError extends NodeplaneError {
  readonly code = 'ERR_TUNNEL'
}

/**
 * The tunnel's device, as planned and up; one that fits is kept as it is. One with another VNI, port or address is made
 * anew, which its routes do not survive: they are compared afterwards.
 * @throws {NetlinkError}
 * @throws {TunnelError} the name is taken.
 */
export async function ensureTunnel(
  socket: NetlinkSocket,
  tunnel: Tunnel,
  attempts: Attempts,
): Promise<number> {
  const { name } = tunnel
  let link = await find(socket, name)
  if (link !== undefined && !fits(link, tunnel)) {
    const { index } = link
    await attempts.write(`remove ${name}, which does not fit`, () => removeLink(socket, index))
    link = undefined
  }
  if (link === undefined) {
    await createVxlan(socket, tunnel)
    attempts.noteWrite()
    link = await find(socket, name)
    if (link === undefined) throw new TunnelError(`tunnel ${name}: vanished`)
  }
  await adjust(socket, { link, tunnel }, attempts)
  return link.index
}

async function find(socket: NetlinkSocket, name: string): Promise<VxlanLink | undefined> {
  const link = await findVxlan(socket, name)
  if (link === 'another kind')
    throw new TunnelError(`tunnel ${name}: a link of another kind has the name`)
  return link
}

const fits = (link: VxlanLink, { vni, port, local }: Tunnel): boolean =>
  link.vni === vni && link.port === port && link.local === local && !link.isLearning

async function adjust(
  socket: NetlinkSocket,
  { link, tunnel }: { link: VxlanLink; tunnel: Tunnel },
  attempts: Attempts,
): Promise<void> {
  const { name, family, mtu, mac, address } = tunnel
  const change: LinkChange = {
    ...(link.mtu === mtu ? {} : { mtu }),
    ...(link.mac === mac ? {} : { mac }),
  }
  if (family === 6) ensureSysctl(interfaceSysctl('ipv6', name, 'accept_ra'), '0')
  // Loose: a pod's packets to another node go without the tunnel, the answers come through it.
  else ensureSysctl(interfaceSysctl('ipv4', name, 'rp_filter'), '2')
  if (Object.keys(change).length > 0 || !link.isUp) {
    await changeLink(socket, link.index, { ...change, isUp: true })
    attempts.noteWrite()
  }
  const present = (await listAddresses(socket, link.index)).filter(({ isGlobal }) => isGlobal)
  const stale = present.filter(({ prefix }) => formatPrefix(prefix) !== formatPrefix(address))
  if (stale.length === present.length) {
    await ensureAddress(socket, { linkIndex: link.index, prefix: address })
    attempts.noteWrite()
  }
  for (const { prefix } of stale) {
    await attempts.write(`remove ${prefix.address} from ${name}`, () =>
      removeAddress(socket, { linkIndex: link.index, prefix }),
    )
  }
}

/** What {@link setPeers} found in the way: to be removed once no route leads there. */
export type StaleEntries = readonly NeighbourEntry[]

/** Tells the device of its peers; gives the entries that no peer has. @throws {NetlinkError} */
export async function setPeers(
  socket: NetlinkSocket,
  { tunnel, linkIndex }: { tunnel: Tunnel; linkIndex: number },
  attempts: Attempts,
): Promise<StaleEntries> {
  const present = [
    ...(await listNeighbours(socket, linkIndex, tunnel.family)),
    ...(await listNeighbours(socket, linkIndex, 'forwarding')),
  ]
  const known = new Set(present.map(textOf))
  const wanted = entriesOf(tunnel, linkIndex)
  for (const { node, ...entry } of wanted) {
    if (known.has(textOf(entry))) continue
    await attempts.write(`peer ${node}`, () => replaceNeighbour(socket, entry))
  }
  const kept = new Set(wanted.map(keyOf))
  return present.filter(entry => !kept.has(keyOf(entry)))
}

/** Removes entries that are still there. */
export async function removeEntries(
  socket: NetlinkSocket,
  entries: StaleEntries,
  attempts: Attempts,
): Promise<void> {
  for (const entry of entries) {
    await attempts.write(`remove peer ${entry.mac}`, () => removeNeighbour(socket, entry))
  }
}

const entriesOf = ({ peers }: Tunnel, linkIndex: number) =>
  peers.flatMap(({ node, gateway, mac, remote }) => [
    { node, linkIndex, mac, table: 'neighbours', address: gateway } as const,
    { node, linkIndex, mac, table: 'forwarding', address: remote } as const,
  ])

/** What the kernel finds an entry by to remove it: a next hop has one MAC, but a MAC may have several machines. */
const keyOf = (entry: NeighbourEntry): string =>
  entry.table === 'neighbours' ? `neighbours ${entry.address}` : textOf(entry)

const textOf = ({ table, address, mac }: NeighbourEntry): string => `${table} ${address} ${mac}`
