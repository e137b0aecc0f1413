import { Ipsets } from '#linux/ipset.ts'
import { openIptables } from '#linux/iptables.ts'
import { usedIptables } from '#linux/iptables-tables.ts'
import { Ipvs } from '#linux/ipvs.ts'
import { isNotFound } from '#linux/netlink/error.ts'
import { removeLink } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { type IpFamily, ipFamilies } from '#net/ip.ts'
import { Failures } from '#runtime/failures.ts'
import type { CleanupOptions } from '../backend.ts'
import { removeChains } from '../iptables/remove-chains.ts'
import type { Saved } from '../iptables/saved.ts'
import type { ProxyMode } from '../settings.ts'
import { findDummy } from './machine.ts'
import { planRemoval } from './removal.ts'
import { setKinds, setOf } from './sets.ts'

/**
 * Removes what mode ipvs left, ours and kube-proxy's, which are not told apart: both families, also the sets of IPv6,
 * which kube-proxy forgets. Where there is no dummy link no proxy used IPVS: the virtual servers there are somebody
 * else's and stay (kube-proxy removes them). When another mode is in use, what TCP connections go through stays until
 * {@link drain}.
 * @throws {Error} names all that could not be removed; the rest is removed all the same.
 */
export async function cleanup({ inUse }: CleanupOptions, signal: AbortSignal): Promise<void> {
  const isReplaced = inUse !== undefined && inUse !== 'ipvs'
  const failures = new Failures(signal)
  using route = NetlinkSocket.open()
  const dummy = await failures.collect(() => findDummy(route))
  const goes = dummy !== undefined && !isReplaced
  const isFlushed = await failures.collect(async () => goes && (await flushServers()))
  for (const family of ipFamilies) {
    await removeRules(family, inUse, { failures, signal })
    await destroySets(family, failures)
  }
  // Last, and only then: it tells the next attempt that there is something to do.
  if (goes && isFlushed === true) await failures.collect(() => removeLink(route, dummy))
  failures.throw()
}

async function flushServers(): Promise<true> {
  try {
    using ipvs = await Ipvs.open()
    await ipvs.flush()
  } catch (error) {
    // No module, no servers.
    if (!isNotFound(error)) throw error
  }
  return true
}

async function removeRules(
  family: IpFamily,
  inUse: ProxyMode | undefined,
  { failures, signal }: { failures: Failures; signal: AbortSignal },
): Promise<void> {
  const used = await failures.collect(() => usedIptables(family), `IPv${family}`)
  for (const programs of used ?? []) {
    const { flavour } = programs
    await failures.collect(async () => {
      // What that mode has in the other flavour is not in use.
      const isUsed = inUse === 'iptables' && (await openIptables(family)).flavour === flavour
      const user = isUsed ? inUse : undefined
      const plan = { isOurs: () => false, plan: (saved: Saved) => planRemoval(saved, user) }
      await removeChains(programs, plan, signal)
    }, `IPv${family} ${flavour}`)
  }
}

async function destroySets(family: IpFamily, failures: Failures): Promise<void> {
  using sets = Ipsets.open()
  for (const kind of setKinds) await failures.collect(() => sets.destroy(setOf(kind, family)))
}
