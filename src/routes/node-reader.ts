import type { Node } from '#cluster/objects.ts'
import { familyOf, type IpAddress, type IpFamily, ipFamilies, parseIpLenient } from '#net/ip.ts'
import {
  formatPrefix,
  type IpPrefix,
  networkOf,
  parsePrefix,
  parsePrefixLenient,
} from '#net/prefix.ts'
import { type Range, rangeOf, rangeOfAddress, rangesOverlap } from './range.ts'
import { type Vtep, vtepOf } from './vtep.ts'

/** Where a node's pods are. */
export type PodRange = {
  /** Its prefix has zero host bits. */
  readonly range: Range
  readonly vtep: Vtep
}

/** What one node has in one family. */
export type Member = {
  readonly node: string
  readonly family: IpFamily
  /** The first InternalIP of the family, else the first ExternalIP. */
  readonly address: IpAddress
  readonly addressRange: Range
  /** undefined while it has none. */
  readonly pods: PodRange | undefined
}

/** What a Node says, before it is compared with others. */
export type ReadNode = {
  readonly members: readonly Member[]
  /** What of it can be used under no circumstances. */
  readonly refusals: readonly string[]
}

/** The shortest prefixes a node's range may have: what is shorter would draw in a good part of the world. */
const MIN_LENGTH: Readonly<Record<IpFamily, number>> = { 4: 8, 6: 16 }

/** Ranges that cannot be routed (RFC 6890): they lead nowhere, to this machine, to the link, or to groups. */
const unroutable: readonly Range[] = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/127',
  '::ffff:0:0/96',
  'fe80::/10',
  'ff00::/8',
].map(text => rangeOf(parsePrefix(text) as IpPrefix))

/** Reads Nodes, each object once: of thousands a few change at a time. */
export class NodeReader {
  readonly #clusterRanges: readonly Range[]
  readonly #read = new WeakMap<Node, ReadNode>()

  /** @param clusterCIDRs where pods may be; of a family without one anywhere. */
  constructor(clusterCIDRs: readonly IpPrefix[]) {
    this.#clusterRanges = clusterCIDRs.map(rangeOf)
  }

  read(node: Node): ReadNode {
    const known = this.#read.get(node)
    if (known !== undefined) return known
    const read = readNode(node, this.#clusterRanges)
    this.#read.set(node, read)
    return read
  }
}

function readNode(node: Node, clusterRanges: readonly Range[]): ReadNode {
  const refusals: string[] = []
  const podCIDRs = podCIDRsOf(node, refusals)
  const addresses = addressesOf(node)
  const members = ipFamilies.flatMap(family => {
    const address = addresses.find(each => familyOf(each) === family)
    if (address === undefined) return []
    const addressRange = rangeOfAddress(address)
    const podCIDR = podCIDRs.get(family)
    const range = podCIDR && rangeOf(podCIDR)
    const why =
      whyNoNextHop(address, addressRange) ??
      (range && whyNoPods(range, addressRange, clusterRanges))
    if (why !== undefined) {
      refusals.push(why)
      return []
    }
    const pods = range && { range, vtep: vtepOf(range.prefix) }
    return [{ node: node.metadata.name, family, address, addressRange, pods }]
  })
  return { members, refusals }
}

const addressesOf = ({ addresses }: Node): readonly IpAddress[] =>
  ['InternalIP', 'ExternalIP'].flatMap(wanted =>
    addresses
      .filter(({ type }) => type === wanted)
      .flatMap(({ address }) => parseIpLenient(address) ?? []),
  )

/** The first range of each family. The API server lets in no second one. */
function podCIDRsOf(node: Node, refusals: string[]): ReadonlyMap<IpFamily, IpPrefix> {
  const podCIDRs = new Map<IpFamily, IpPrefix>()
  for (const text of node.podCIDRs) {
    const prefix = parsePrefixLenient(text)
    if (prefix === undefined) {
      refusals.push(`podCIDR ${JSON.stringify(text)} is no ADDRESS/LENGTH`)
    } else if (podCIDRs.has(prefix.family)) {
      refusals.push(`podCIDR ${text} is one more of IPv${prefix.family}`)
    } else podCIDRs.set(prefix.family, networkOf(prefix))
  }
  return podCIDRs
}

const isUnroutable = (range: Range): boolean =>
  unroutable.some(each => each.family === range.family && rangesOverlap(each, range))

const whyNoNextHop = (address: IpAddress, range: Range): string | undefined =>
  isUnroutable(range) ? `address ${address} cannot be a next hop` : undefined

function whyNoPods(
  range: Range,
  address: Range,
  clusterRanges: readonly Range[],
): string | undefined {
  const { family, prefix } = range
  const text = `podCIDR ${formatPrefix(prefix)}`
  if (prefix.length < MIN_LENGTH[family]) {
    return `${text} is too large: at least /${MIN_LENGTH[family]} is wanted`
  }
  if (isUnroutable(range)) return `${text} cannot be routed`
  const clusters = clusterRanges.filter(each => each.family === family)
  const isInside = clusters.some(each => each.first <= range.first && range.last <= each.last)
  if (clusters.length > 0 && !isInside) return `${text} lies outside of clusterCIDRs`
  if (!rangesOverlap(range, address)) return undefined
  return `${text} holds the node's own address ${address.prefix.address}`
}
