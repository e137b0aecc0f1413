import { type IpAddress, type IpFamily, ipFamilies } from '#net/ip.ts'
import { type IpPrefix, networkOf, parsePrefix } from '#net/prefix.ts'
import type { Protocol } from '#net/protocol.ts'
import type { CniResult } from '../spec/result.ts'
import type { PortMapping, PortmapConfig } from './config.ts'

/** What one family's rules are to do for an attachment. */
export type FamilyPlan = {
  readonly family: IpFamily
  readonly mappings: readonly PlannedMapping[]
  /** Sources that the container must not see: it would answer them past the host. */
  readonly hidden: readonly IpPrefix[]
  /** Words of the backend's language that a packet must match besides. */
  readonly conditions: readonly string[]
}

export type PlannedMapping = {
  readonly protocol: Protocol
  readonly hostIP: IpAddress | undefined
  readonly hostPort: number
  readonly target: IpAddress
  readonly targetPort: number
}

/**
 * What is to be set up for each family that the container has an address of. Pure.
 * @param result of the plugins before this one.
 */
export function planMappings(
  config: PortmapConfig,
  result: CniResult,
  ifname: string,
): readonly FamilyPlan[] {
  return ipFamilies.flatMap(family => {
    const target = targetOf(result, ifname, family)
    const mappings = config.mappings.filter(({ families }) => families.includes(family))
    if (target === undefined || mappings.length === 0) return []
    return {
      family,
      mappings: distinct(mappings.map(mapping => plannedMapping(mapping, target.address))),
      hidden: hiddenSources(config, target),
      conditions: config.conditions[family],
    }
  })
}

/** The first address of the family on the container's interface. Those of its other interfaces are never mapped. */
function targetOf(result: CniResult, ifname: string, family: IpFamily): IpPrefix | undefined {
  return result.ips.find(({ address, interface: index }) => {
    if (address.family !== family) return false
    const link = index === undefined ? undefined : result.interfaces[index]
    return index === undefined || (link?.name === ifname && !!link.sandbox)
  })?.address
}

const plannedMapping = (
  { protocol, hostIP, hostPort, containerPort }: PortMapping,
  target: IpAddress,
): PlannedMapping => ({ protocol, hostIP, hostPort, target, targetPort: containerPort })

/** Of two mappings of one port the first counts. */
function distinct(mappings: readonly PlannedMapping[]): readonly PlannedMapping[] {
  const found = new Map<string, PlannedMapping>()
  for (const mapping of mappings) {
    const key = `${mapping.protocol} ${mapping.hostIP ?? ''} ${mapping.hostPort}`
    if (!found.has(key)) found.set(key, mapping)
  }
  return [...found.values()]
}

const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix
const LOOPBACK = prefix('127.0.0.1/32')
const EVERYBODY = { 4: prefix('0.0.0.0/0'), 6: prefix('::/0') }

/** The kernel refuses to send from ::1 to another address, so only IPv4 has its loopback here. */
function hiddenSources({ snat, masqAll }: PortmapConfig, target: IpPrefix): readonly IpPrefix[] {
  if (masqAll) return [EVERYBODY[target.family]]
  if (!snat) return []
  return target.family === 4 ? [networkOf(target), LOOPBACK] : [networkOf(target)]
}
