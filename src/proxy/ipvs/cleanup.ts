import { Ipsets } from '#linux/ipset.ts'
import { usedIptables } from '#linux/iptables-tables.ts'
import { Ipvs } from '#linux/ipvs.ts'
import { isNotFound } from '#linux/netlink/error.ts'
import { removeLink } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { type IpFamily, ipFamilies } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import type { CleanupOptions } from '../backend.ts'
import type { ProxyMode } from '../settings.ts'
import { isSharedJump, jumpRule, jumps, ownChains, type Table } from './iptables-render.ts'
import { findDummy } from './machine.ts'
import { savedLines } from './saved-lines.ts'
import { setKinds, setOf } from './sets.ts'

/**
 * Removes what mode ipvs left, ours and kube-proxy's, which are not told apart: both families, also the sets of IPv6,
 * which kube-proxy forgets. Where there is no dummy link no proxy used IPVS: the virtual servers there are somebody
 * else's and stay (kube-proxy removes them). When another mode is in use, what TCP connections go through stays until
 * {@link drain}.
 * @throws {Error} what could not be removed; the rest is removed all the same.
 */
export async function cleanup({ inUse }: CleanupOptions, signal: AbortSignal): Promise<void> {
  using route = NetlinkSocket.open()
  const dummy = await findDummy(route)
  const isReplaced = inUse !== undefined && inUse !== 'ipvs'
  const steps = [
    async () => dummy !== undefined && !isReplaced && (await flushServers()),
    ...ipFamilies.map(family => () => removeRules(family, inUse, signal)),
    ...ipFamilies.map(family => () => destroySets(family)),
    // Last: it tells the next attempt that there is something to do.
    async () => dummy !== undefined && !isReplaced && (await removeLink(route, dummy)),
  ]
  const errors: unknown[] = []
  for (const step of steps) await step().catch((error: unknown) => errors.push(error))
  if (errors.length > 0) throw new AggregateError(errors, errors.map(describeError).join('; '))
}

async function flushServers(): Promise<void> {
  try {
    using ipvs = await Ipvs.open()
    await ipvs.flush()
  } catch (error) {
    // No module, no servers.
    if (!isNotFound(error)) throw error
  }
}

async function removeRules(
  family: IpFamily,
  inUse: ProxyMode | undefined,
  signal: AbortSignal,
): Promise<void> {
  for (const programs of await usedIptables(family)) {
    const present = savedLines(await programs.save(signal))
    await programs.restore([renderRemoval(present, inUse)], signal)
  }
}

/** Mode iptables leads to its node ports from here; this mode has no such chain. */
const IPTABLES_MODE = /^-A KUBE-SERVICES .*-j KUBE-NODEPORTS$/

/**
 * The text for iptables-restore that removes this mode's rules from what is there; '' when there are none. What mode
 * iptables has under the same name stays when that mode is in use.
 */
export function renderRemoval(
  present: ReadonlyMap<Table, readonly string[]>,
  inUse?: ProxyMode,
): string {
  const isShared =
    inUse === 'iptables' || present.get('nat')?.some(line => IPTABLES_MODE.test(line)) === true
  return [...present]
    .map(([table, lines]) => {
      const there = new Set(lines)
      const unwanted = jumps.filter(jump => !(isShared && isSharedJump(jump)))
      const deleted = unwanted.filter(
        jump => jump.table === table && there.has(`-A ${jumpRule(jump)}`),
      )
      const chains = ownChains(table, isShared).filter(chain =>
        lines.some(line => line.startsWith(`:${chain} `)),
      )
      if (deleted.length + chains.length === 0) return ''
      return [
        `*${table}`,
        ...chains.map(chain => `:${chain} - [0:0]`),
        ...deleted.map(jump => `-D ${jumpRule(jump)}`),
        ...chains.map(chain => `-X ${chain}`),
        'COMMIT',
        '',
      ].join('\n')
    })
    .join('')
}

async function destroySets(family: IpFamily): Promise<void> {
  using sets = Ipsets.open()
  for (const kind of setKinds) await sets.destroy(setOf(kind, family))
}
