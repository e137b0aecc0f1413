import { type IpAddress, type IpFamily, ipFamilies } from '#net/ip.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { CniResult } from '../spec/result.ts'
import type { FirewallConfig, IngressPolicy } from './config.ts'

/** What one family's rules are to do for an attachment. */
export type FamilyPlan = {
  readonly family: IpFamily
  readonly addresses: readonly IpAddress[]
  readonly adminChain: string
  /** Keeps the container's bridge apart; undefined: everybody may reach it. */
  readonly isolation: Isolation | undefined
}

export type Isolation = {
  readonly bridge: string
  readonly policy: Exclude<IngressPolicy, 'open'>
}

/**
 * What is to be set up for each family that the attachment has an address of.
 * @throws {CniError} code 7: the ingress policy needs a bridge, and prevResult has none.
 */
export function planFirewall(config: FirewallConfig, result: CniResult): readonly FamilyPlan[] {
  const isolation = isolationOf(config, result)
  return ipFamilies.flatMap(family => {
    const addresses = addressesIn(result, family)
    if (addresses.length === 0) return []
    return { family, addresses, adminChain: config.adminChain, isolation }
  })
}

/** The addresses of a family in a result, none twice. */
export const addressesIn = (
  result: CniResult | undefined,
  family: IpFamily,
): readonly IpAddress[] => [
  ...new Set(
    (result?.ips ?? [])
      .filter(({ address }) => address.family === family)
      .map(({ address }) => address.address),
  ),
]

function isolationOf(
  { ingressPolicy }: FirewallConfig,
  { interfaces: [bridge] }: CniResult,
): Isolation | undefined {
  if (ingressPolicy === 'open') return undefined
  const why = `ingressPolicy: ${ingressPolicy} needs the bridge as first interface of prevResult`
  if (bridge === undefined || bridge.sandbox) throw new CniError(cniCodes.invalidConfig, why)
  // A plus at the end would mean all interfaces whose names begin so.
  if (!/^[A-Za-z0-9_.-]{1,15}$/.test(bridge.name)) {
    throw new CniError(cniCodes.invalidConfig, `${why}, '${bridge.name}' cannot stand in a rule`)
  }
  return { bridge: bridge.name, policy: ingressPolicy }
}
