import type { Node } from '#cluster/objects.ts'
import { familyOf, type IpAddress, type IpFamily, ipFamilies, parseIpLenient } from '#net/ip.ts'
import {
  hostPrefix,
  type IpPrefix,
  networkOf,
  parsePrefix,
  parsePrefixLenient,
  prefixContains,
  prefixesOverlap,
} from '#net/prefix.ts'
import { Claims } from './claims.ts'

/** What one node has in one family. */
export type Member = {
  readonly node: string
  readonly family: IpFamily
  /** The first InternalIP of the family, else the first ExternalIP. */
  readonly address: IpAddress
  /** Its pods' range, host bits zero; undefined while it has none. */
  readonly podCIDR: IpPrefix | undefined
}

/** Something of a Node that cannot be used; everything else goes on. */
export type Refusal = { readonly node: string; readonly message: string }

export type Members = {
  readonly members: readonly Member[]
  readonly refusals: readonly Refusal[]
}

/** The shortest prefixes a node's range may have: what is shorter would draw in a good part of the world. */
const MIN_LENGTH: Readonly<Record<IpFamily, number>> = { 4: 8, 6: 16 }

/** Ranges that cannot be routed (RFC 6890): they lead nowhere, to this machine, to the link, or to groups. */
const unroutable: readonly IpPrefix[] = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/127',
  '::ffff:0:0/96',
  'fe80::/10',
  'ff00::/8',
].map(text => parsePrefix(text) as IpPrefix)

/**
 * Who takes part, from all Nodes in any order. No two members share an address: of two that claim the same one, the own
 * node has it, else the Node that exists longer, else the first by name. Nodes that are being deleted still count: their
 * pods may live.
 */
export function membersOf(
  nodes: readonly Node[],
  { nodeName, clusterCIDRs }: { nodeName: string; clusterCIDRs: readonly IpPrefix[] },
): Members {
  const claims = new Claims()
  const members: Member[] = []
  const refusals: Refusal[] = []
  for (const node of nodes.toSorted(byPrecedence(nodeName))) {
    const refuse = (message: string) => refusals.push({ node: node.metadata.name, message })
    const ranges = rangesOf(node, refuse)
    for (const family of ipFamilies) {
      const member = candidate(node, family, ranges.get(family))
      if (member === undefined) continue
      const why = whyRefused(member, claims, clusterCIDRs)
      if (why === undefined) {
        claim(member, claims)
        members.push(member)
      } else refuse(why)
    }
  }
  return { members, refusals }
}

const byPrecedence = (own: string) => (a: Node, b: Node) =>
  Number(b.metadata.name === own) - Number(a.metadata.name === own) ||
  (a.createdMs ?? 0) - (b.createdMs ?? 0) ||
  (a.metadata.name < b.metadata.name ? -1 : 1)

/** The first range of each family. The API server lets in no second one. */
function rangesOf(node: Node, refuse: (message: string) => void): Map<IpFamily, IpPrefix> {
  const ranges = new Map<IpFamily, IpPrefix>()
  for (const text of node.podCIDRs) {
    const prefix = parsePrefixLenient(text)
    if (prefix === undefined) refuse(`podCIDR ${JSON.stringify(text)} is no ADDRESS/LENGTH`)
    else if (ranges.has(prefix.family)) refuse(`podCIDR ${text} is one more of IPv${prefix.family}`)
    else ranges.set(prefix.family, networkOf(prefix))
  }
  return ranges
}

function candidate(
  node: Node,
  family: IpFamily,
  podCIDR: IpPrefix | undefined,
): Member | undefined {
  const addresses = ['InternalIP', 'ExternalIP'].flatMap(wanted =>
    node.addresses
      .filter(({ type }) => type === wanted)
      .flatMap(({ address }) => parseIpLenient(address) ?? []),
  )
  const address = addresses.find(each => familyOf(each) === family)
  return address === undefined ? undefined : { node: node.metadata.name, family, address, podCIDR }
}

/** Why a member cannot be, or undefined. */
function whyRefused(
  { node, address, podCIDR }: Member,
  claims: Claims,
  clusterCIDRs: readonly IpPrefix[],
): string | undefined {
  const holder = claims.ownerOf(hostPrefix(address))
  if (holder !== undefined) return `address ${address} belongs to ${holder}`
  if (unroutable.some(range => prefixContains(range, address))) {
    return `address ${address} cannot be a next hop`
  }
  return podCIDR === undefined
    ? undefined
    : whyRangeRefused({ node, address, podCIDR }, claims, clusterCIDRs)
}

function whyRangeRefused(
  { address, podCIDR }: { node: string; address: IpAddress; podCIDR: IpPrefix },
  claims: Claims,
  clusterCIDRs: readonly IpPrefix[],
): string | undefined {
  const { family, length } = podCIDR
  const text = `podCIDR ${podCIDR.address}/${length}`
  if (length < MIN_LENGTH[family]) {
    return `${text} is too large: at least /${MIN_LENGTH[family]} is wanted`
  }
  if (unroutable.some(range => prefixesOverlap(range, podCIDR))) return `${text} cannot be routed`
  const clusters = clusterCIDRs.filter(each => each.family === family)
  const isInside = clusters.some(each => each.length <= length && prefixesOverlap(each, podCIDR))
  if (clusters.length > 0 && !isInside) return `${text} lies outside of clusterCIDRs`
  if (prefixContains(podCIDR, address)) return `${text} holds the node's own address ${address}`
  const holder = claims.ownerOf(podCIDR)
  return holder === undefined ? undefined : `${text} shares addresses with ${holder}`
}

function claim({ node, address, podCIDR }: Member, claims: Claims): void {
  claims.add(hostPrefix(address), `node ${node} (${address})`)
  if (podCIDR === undefined) return
  claims.add(podCIDR, `node ${node} (podCIDR ${podCIDR.address}/${podCIDR.length})`)
}
