import { listAddresses } from '#linux/netlink/address.ts'
import { type Link, listLinks } from '#linux/netlink/link.ts'
import { listRoutes, MAIN_TABLE } from '#linux/netlink/route.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { interfaceSysctl, readSysctl, SysctlError } from '#linux/sysctl.ts'
import { ipFamilies } from '#net/ip.ts'
import { collectAgent } from './collect-agent.ts'
import { collectFeatures } from './collect-features.ts'
import { collectFiles } from './collect-files.ts'
import { collectFirewalls } from './collect-firewalls.ts'
import type { NodeFacts } from './facts.ts'

export type DoctorOptions = {
  /** Where the node's files are: `/`, or where a container has them. */
  readonly root: string
  /** The agent's configuration, a path on the node. */
  readonly config: string
  readonly nowMs: number
}

/**
 * Reads what the checks look at, in the network namespace of this process. Nothing is changed.
 * @throws {ConfigError} the agent's configuration, if there is one, is wrong.
 */
export async function collectFacts(
  options: DoctorOptions,
  signal: AbortSignal,
): Promise<NodeFacts> {
  const files = await collectFiles(options)
  using socket = NetlinkSocket.open()
  const [links, addresses, routes, features, firewalls, agent] = await Promise.all([
    listLinks(socket),
    listAddresses(socket, 0),
    Promise.all(ipFamilies.map(family => listRoutes(socket, family))),
    collectFeatures(files.wanted, socket, signal),
    collectFirewalls(signal),
    collectAgent(files.httpAddress, options.nowMs, signal),
  ])
  return {
    ...files,
    ...firewalls,
    links,
    addresses,
    routes: routes.flat().filter(({ table = MAIN_TABLE }) => table === MAIN_TABLE),
    sysctls: readSysctls(links),
    features,
    agent,
  }
}

const global = [
  'net/ipv4/ip_forward',
  'net/ipv6/conf/all/forwarding',
  'net/ipv4/conf/all/rp_filter',
  'net/bridge/bridge-nf-call-iptables',
  'net/bridge/bridge-nf-call-ip6tables',
] as const

/** Ports of bridges are many, and nothing of theirs is looked at. */
function readSysctls(links: readonly Link[]): ReadonlyMap<string, string> {
  const perLink = links
    .filter(({ masterIndex }) => masterIndex === undefined)
    .flatMap(({ name }) =>
      ['rp_filter', 'forwarding'].map(key => interfaceSysctl('ipv4', name, key)),
    )
  return new Map([...global, ...perLink].flatMap(readIfThere))
}

function readIfThere(path: string): readonly (readonly [string, string])[] {
  try {
    return [[path, readSysctl(path)]]
  } catch (error) {
    if (error instanceof SysctlError) return []
    throw error
  }
}
