import type { Link } from '#linux/netlink/link.ts'
import type { IpFamily } from '#net/ip.ts'
import { type IpPrefix, networkOf } from '#net/prefix.ts'
import type { CniNetwork, NodeFacts } from './facts.ts'

type Links = Pick<NodeFacts, 'links' | 'networks'>

/** Bridges of programs that have nothing to do with pods: Docker's, libvirt's, LXC's. */
const OTHERS_BRIDGE = /^(docker\d|br-[0-9a-f]{12}$|virbr|lxcbr|lxdbr|podman\d)/

/** The network that pods are meant to be on: ours, else the one that a runtime takes. */
export const podNetwork = ({ networks }: Pick<NodeFacts, 'networks'>): CniNetwork | undefined =>
  networks.find(({ isOurs }) => isOurs) ?? networks[0]

/** The bridge that pods are on: that of the network in use, else those with veth ports. */
export function podBridges({ links, networks }: Links): readonly Link[] {
  const inUse = podNetwork({ networks })
  const bridges = links.filter(({ kind }) => kind === 'bridge')
  if (inUse?.bridge !== undefined) return bridges.filter(({ name }) => name === inUse.bridge)
  if (inUse !== undefined) return []
  return bridges.filter(
    ({ index, name }) =>
      !OTHERS_BRIDGE.test(name) &&
      links.some(({ kind, masterIndex }) => kind === 'veth' && masterIndex === index),
  )
}

/** The host's ends of pods' links. */
export const podPorts = (facts: Links): readonly Link[] => {
  const bridges = new Set(podBridges(facts).map(({ index }) => index))
  return facts.links.filter(
    ({ kind, masterIndex }) =>
      kind === 'veth' && masterIndex !== undefined && bridges.has(masterIndex),
  )
}

export const tunnels = ({ links }: Pick<NodeFacts, 'links'>): readonly Link[] =>
  links.filter(({ kind, isUp }) => kind === 'vxlan' && isUp)

type Addressed = Links & Pick<NodeFacts, 'routes' | 'addresses'>

/** Links with addresses that others know this node by. */
export function outerLinks(facts: Addressed): readonly Link[] {
  const pods = new Set(podBridges(facts).map(({ index }) => index))
  return facts.links.filter(
    link => link.isUp && !isInner(link) && !pods.has(link.index) && hasGlobalAddress(facts, link),
  )
}

/** Those by which packets leave the node: with a default route, or all where none has one. */
export function uplinks(facts: Addressed): readonly Link[] {
  const outer = outerLinks(facts)
  const defaults = new Set(
    facts.routes
      .filter(({ destination }) => destination.length === 0)
      .map(({ linkIndex }) => linkIndex),
  )
  const withDefault = outer.filter(({ index }) => defaults.has(index))
  return withDefault.length > 0 ? withDefault : outer
}

const hasGlobalAddress = ({ addresses }: Pick<NodeFacts, 'addresses'>, { index }: Link): boolean =>
  addresses.some(
    ({ linkIndex, isGlobal, prefix }) => linkIndex === index && isGlobal && !isLocal(prefix),
  )

const isLocal = ({ address }: IpPrefix): boolean => /^(127\.|169\.254\.|fe80:|::1$)/.test(address)

/** A bridge may be the uplink of a machine with guests; then its port is the cable. */
const isInner = ({ name, kind, masterIndex }: Link): boolean =>
  name === 'lo' ||
  kind === 'vxlan' ||
  kind === 'dummy' ||
  masterIndex !== undefined ||
  OTHERS_BRIDGE.test(name)

/** Where pods have addresses from, as the network in use says, else as the bridge's own addresses do. */
export function podSubnets(facts: Links & Pick<NodeFacts, 'addresses'>): readonly IpPrefix[] {
  const inUse = podNetwork(facts)
  if (inUse !== undefined && inUse.subnets.length > 0) return inUse.subnets
  const bridges = new Set(podBridges(facts).map(({ index }) => index))
  return facts.addresses
    .filter(({ linkIndex, isGlobal }) => isGlobal && bridges.has(linkIndex))
    .map(({ prefix }) => networkOf(prefix))
}

/** The families that pods have: IPv4 where nothing says otherwise. */
export function podFamilies(facts: Links & Pick<NodeFacts, 'addresses'>): ReadonlySet<IpFamily> {
  const families = podSubnets(facts).map(({ family }) => family)
  return new Set(families.length === 0 ? [4] : families)
}
