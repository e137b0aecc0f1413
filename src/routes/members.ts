import type { Node } from '#cluster/objects.ts'
import { formatPrefix, type IpPrefix } from '#net/prefix.ts'
import { Claims } from './claims.ts'
import { type Member, NodeReader } from './node-reader.ts'

/** Something of a Node that cannot be used; everything else goes on. */
export type Refusal = { readonly node: string; readonly message: string }

export type Members = {
  readonly members: readonly Member[]
  readonly refusals: readonly Refusal[]
}

/**
 * Who takes part, from all Nodes in any order. No two members share an address: of two that claim the same one, the own
 * node has it, else the Node that exists longer, else the first by name. Nodes that are being deleted still count: their
 * pods may live.
 */
export function membersOf(
  nodes: readonly Node[],
  { nodeName, clusterCIDRs }: { nodeName: string; clusterCIDRs: readonly IpPrefix[] },
  reader: NodeReader = new NodeReader(clusterCIDRs),
): Members {
  const claims = new Claims()
  const members: Member[] = []
  const refusals: Refusal[] = []
  for (const object of nodes.toSorted(byPrecedence(nodeName))) {
    const node = object.metadata.name
    const read = reader.read(object)
    for (const message of read.refusals) refusals.push({ node, message })
    for (const member of read.members) {
      const message = whyTaken(member, claims)
      if (message === undefined) {
        claim(member, claims)
        members.push(member)
      } else refusals.push({ node, message })
    }
  }
  return { members, refusals }
}

const byPrecedence = (own: string) => (a: Node, b: Node) =>
  Number(b.metadata.name === own) - Number(a.metadata.name === own) ||
  (a.createdMs ?? 0) - (b.createdMs ?? 0) ||
  (a.metadata.name < b.metadata.name ? -1 : 1)

/** Why somebody before has what this member claims, or undefined. */
function whyTaken({ address, addressRange, pods }: Member, claims: Claims): string | undefined {
  const holder = claims.ownerOf(addressRange)
  if (holder !== undefined) return `address ${address} belongs to ${holder}`
  const other = pods && claims.ownerOf(pods.range)
  if (pods === undefined || other === undefined) return undefined
  return `podCIDR ${formatPrefix(pods.range.prefix)} shares addresses with ${other}`
}

function claim({ node, address, addressRange, pods }: Member, claims: Claims): void {
  claims.add(addressRange, `node ${node} (${address})`)
  if (pods === undefined) return
  claims.add(pods.range, `node ${node} (podCIDR ${formatPrefix(pods.range.prefix)})`)
}
