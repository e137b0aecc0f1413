import { familyOf, type IpAddress, type IpFamily } from '#net/ip.ts'
import { parsePrefixLenient } from '#net/prefix.ts'
import type { ConfigProblem } from '#runtime/error.ts'
import { parseAddressWithPort } from './leaf.ts'
import type { ProxyConfig } from './schema.ts'

/** What the machine turned out to be. */
export type FamilyFacts = {
  readonly primary: IpAddress
  /** Families that are programmed. */
  readonly families: readonly IpFamily[]
  readonly podCIDRs: readonly string[]
}

export type FamilyProblem = ConfigProblem & { readonly isFatal: boolean }

/**
 * What in the configuration is of a family that does not go with the node's (kube-proxy, cmd/kube-proxy/app/server.go,
 * checkBadIPConfig). Only what leaves no pod traffic recognised where it was to be is fatal.
 */
export function familyProblems(config: ProxyConfig, facts: FamilyFacts): readonly FamilyProblem[] {
  return [
    ...detectorProblems(config, facts),
    ...nodePortProblems(config, facts),
    ...loneProblems(config, facts),
  ]
}

function* detectorProblems(
  { detectLocalMode, clusterCIDR }: ProxyConfig,
  { primary, families, podCIDRs }: FamilyFacts,
): Generator<FamilyProblem> {
  const family = familyOf(primary)
  if (clusterCIDR !== '' && !hasFamily(clusterCIDR.split(','), family)) {
    const isFatal = detectLocalMode === 'ClusterCIDR' && families.length === 1
    const message = `'${clusterCIDR}' has no CIDR of the node's primary family, IPv${family}`
    yield { field: 'clusterCIDR', message, isFatal }
  }
  if (podCIDRs.length > 0 && !hasFamily(podCIDRs, family)) {
    const message = `'${podCIDRs.join(',')}' of the Node has no CIDR of its primary family, IPv${family}`
    yield { field: 'spec.podCIDRs', message, isFatal: detectLocalMode === 'NodeCIDR' }
  }
}

/** On all addresses node ports answer on those that face the world, too. */
function* nodePortProblems(
  { mode, nodePortAddresses: list }: ProxyConfig,
  { families }: FamilyFacts,
): Generator<FamilyProblem> {
  const field = 'nodePortAddresses'
  if (list.length === 0 && mode !== 'nftables') {
    const message = "not set: node ports answer on all addresses; 'primary' would be the node's own"
    yield { field, message, isFatal: false }
  }
  if (list.length === 0 || list[0] === 'primary') return
  for (const family of families.filter(family => !hasFamily(list, family))) {
    const message = `'${list.join(',')}' has nothing of IPv${family}: node ports answer on all its addresses`
    yield { field, message, isFatal: false }
  }
}

/** On a node of one family, what is of the other. */
function* loneProblems(
  { ipvs, healthzBindAddress, metricsBindAddress }: ProxyConfig,
  { families }: FamilyFacts,
): Generator<FamilyProblem> {
  const [family, second] = families
  if (family === undefined || second !== undefined) return
  const other = (field: string, text: string): FamilyProblem => ({
    field,
    message: `'${text}' is not of the only family of this node, IPv${family}`,
    isFatal: false,
  })
  if (ipvs.excludeCIDRs.length > 0 && !hasFamily(ipvs.excludeCIDRs, family)) {
    yield other('ipvs.excludeCIDRs', ipvs.excludeCIDRs.join(','))
  }
  for (const [field, text] of Object.entries({ healthzBindAddress, metricsBindAddress })) {
    const ip = parseAddressWithPort(text, 0)?.ip
    if (ip !== undefined && familyOf(ip) !== family) yield other(field, text)
  }
}

const hasFamily = (cidrs: readonly string[], family: IpFamily): boolean =>
  cidrs.some(cidr => parsePrefixLenient(cidr.trim())?.family === family)
