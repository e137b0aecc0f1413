import { Ipvs, type ServerId, serverKey } from '#linux/ipvs.ts'
import { isNotFound } from '#linux/netlink/error.ts'
import { removeLink } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import type { IpAddress } from '#net/ip.ts'
import { ipFamilies } from '#net/ip.ts'
import { type Clock, systemClock } from '#runtime/clock.ts'
import { type DrainedTable, DrainingDestinations } from './draining.ts'
import { findDummy, readAddresses, unbind } from './machine.ts'

/** How often to look whether connections have ended, milliseconds. */
const LOOK_MS = 5_000

/** The part of {@link Ipvs} that is used here. */
export type LeftTable = DrainedTable & Pick<Ipvs, 'listServers' | 'removeServer'>

/** The addresses of Services. */
export type LeftAddresses = {
  list(): Promise<Iterable<IpAddress>>
  unbind(address: IpAddress): Promise<unknown>
}

/**
 * Removes virtual servers and the dummy link while another mode programs the kernel, each as soon as no TCP connection goes
 * through it any more: IPVS would break them. New connections are led elsewhere before they get here, and where they are
 * not (a Service that is gone) weight 0 refuses them. Ends when all is gone, or the signal is aborted.
 */
export async function drain(signal: AbortSignal, clock: Clock = systemClock): Promise<void> {
  using route = NetlinkSocket.open()
  const dummy = await findDummy(route)
  if (dummy === undefined) return
  const addresses = {
    async list() {
      const both = await Promise.all(ipFamilies.map(family => readAddresses(route, family, dummy)))
      return both.flatMap(({ dummy }) => [...dummy])
    },
    unbind: (address: IpAddress) => unbind(route, dummy, address),
  }
  using ipvs = await openIpvs()
  if (ipvs !== undefined) await drainServers({ table: ipvs, addresses, clock }, signal)
  if (!signal.aborted) await removeLink(route, dummy)
}

/** No module, no servers. */
async function openIpvs(): Promise<Ipvs | undefined> {
  try {
    return await Ipvs.open()
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

export type DrainOptions = {
  readonly table: LeftTable
  readonly addresses: LeftAddresses
  readonly clock: Clock
}

/** Returns when no virtual server is left, or the signal is aborted. */
export async function drainServers(
  { table, addresses, clock }: DrainOptions,
  signal: AbortSignal,
): Promise<void> {
  const draining = new DrainingDestinations(table)
  for (const server of await table.listServers()) {
    await draining.retire(server, await table.listDestinations(server))
  }
  for (;;) {
    const left = await removeIdle(table, draining)
    const used = new Set(left.map(({ address }) => address))
    // A bound address is one of this node's: its own connections would have it for their source.
    for (const address of await addresses.list()) {
      if (!used.has(address)) await addresses.unbind(address)
    }
    if (left.length === 0) return
    await clock.sleep(LOOK_MS, signal).catch(() => {})
    if (signal.aborted) return
    await draining.removeIdle()
  }
}

/** Removes virtual servers without destinations; gives the others. */
async function removeIdle(
  table: LeftTable,
  draining: DrainingDestinations,
): Promise<readonly ServerId[]> {
  const left: ServerId[] = []
  for (const server of await table.listServers()) {
    if (draining.isDraining(serverKey(server))) left.push(server)
    else await table.removeServer(server)
  }
  return left
}
