import type { IpAddress, IpFamily } from '#net/ip.ts'
import { ipFamilies } from '#net/ip.ts'
import type { MacAddress } from '#net/mac.ts'
import { hostPrefix, type IpPrefix } from '#net/prefix.ts'
import type { Refusal } from './members.ts'
import { mergePrefixes } from './merge-prefixes.ts'
import type { Member, PodRange } from './node-reader.ts'
import { rangeOf, rangesOverlap } from './range.ts'
import type { RoutesSettings } from './settings.ts'
import type { Uplink } from './uplink.ts'

/** A route to the pods of another node. */
export type PlannedRoute = {
  readonly node: string
  readonly destination: IpPrefix
  /** Name of the link: the uplink, or our tunnel. */
  readonly link: string
  readonly gateway: IpAddress
  /** The gateway is on the link though no other route says so. */
  readonly isOnLink: boolean
  /** Source of what the machine itself sends; undefined: the kernel's choice. */
  readonly source: IpAddress | undefined
}

/** A node at the other end of a tunnel. */
export type TunnelPeer = {
  readonly node: string
  readonly gateway: IpAddress
  readonly mac: MacAddress
  /** Where the outer packets go. */
  readonly remote: IpAddress
}

export type Tunnel = {
  readonly family: IpFamily
  readonly name: string
  readonly vni: number
  readonly port: number
  readonly local: IpAddress
  readonly mtu: number
  readonly mac: MacAddress
  /** The device's one address: /32 or /128. */
  readonly address: IpPrefix
  readonly peers: readonly TunnelPeer[]
}

/** What leaves the cluster: sent from `pods` (none: nothing) to anywhere but `inside`. Disjoint prefixes, in order. */
export type Masquerade = {
  readonly family: IpFamily
  readonly pods: readonly IpPrefix[]
  readonly inside: readonly IpPrefix[]
  /** The tunnel into which connections have to be told how large their segments may be. */
  readonly tunnel: string | undefined
}

/** All that is to be in the kernel, and nothing else of ours. Equal clusters give equal plans. */
export type Plan = {
  /** The families that packets are forwarded in, and the link that the node is reached by. */
  readonly uplinks: readonly { readonly family: IpFamily; readonly link: string }[]
  readonly routes: readonly PlannedRoute[]
  readonly tunnels: readonly Tunnel[]
  readonly masquerades: readonly Masquerade[]
  /** What the pods' links can have; undefined while no family is up. */
  readonly mtu: number | undefined
  readonly refusals: readonly Refusal[]
}

export type PlanInput = {
  readonly settings: RoutesSettings
  readonly members: readonly Member[]
  readonly uplinks: ReadonlyMap<IpFamily, Uplink>
}

/** Bytes around an inner packet in a tunnel, by the family of the underlay (RFC 7348 section 5). */
export const TUNNEL_OVERHEAD: Readonly<Record<IpFamily, number>> = { 4: 50, 6: 70 }

/** One device a family: the tunnels of IPv6 pods run over IPv6. */
export const tunnelName = (family: IpFamily): string => `nodeplane-vx${family}`

/** The plan of one node. A family in which the node itself has no podCIDR or no uplink has nothing in it. */
export function planRoutes({ settings, members, uplinks }: PlanInput): Plan {
  const families = ipFamilies.flatMap(family => {
    const own = members.find(each => each.family === family && each.node === settings.nodeName)
    const uplink = uplinks.get(family)
    if (own?.pods === undefined || uplink === undefined) return []
    const others = members.filter(each => each.family === family && each !== own)
    return [planFamily({ settings, own: { ...own, pods: own.pods }, others, uplink })]
  })
  return {
    uplinks: families.map(({ masquerade: { family }, uplink }) => ({ family, link: uplink })),
    routes: families.flatMap(({ routes }) => routes),
    tunnels: families.flatMap(({ tunnel }) => tunnel ?? []),
    masquerades: families.map(({ masquerade }) => masquerade),
    mtu: families.length === 0 ? undefined : Math.min(...families.map(({ mtu }) => mtu)),
    refusals: families.flatMap(({ refusals }) => refusals),
  }
}

type Located = Member & { readonly pods: PodRange }

type FamilyInput = {
  readonly settings: RoutesSettings
  readonly own: Located
  readonly others: readonly Member[]
  readonly uplink: Uplink
}

type FamilyPlan = {
  readonly uplink: string
  readonly routes: readonly PlannedRoute[]
  readonly tunnel: Tunnel | undefined
  readonly masquerade: Masquerade
  readonly mtu: number
  readonly refusals: readonly Refusal[]
}

function planFamily(input: FamilyInput): FamilyPlan {
  const { settings, own, uplink } = input
  const { family } = own
  const others = input.others
    .filter((each): each is Located => each.pods !== undefined)
    .toSorted((a, b) => (a.node < b.node ? -1 : 1))
  const subnets = uplink.connected.map(rangeOf)
  const isNear = ({ addressRange }: Member) =>
    subnets.some(subnet => rangesOverlap(subnet, addressRange))
  const near = settings.mode === 'vxlan' ? [] : others.filter(isNear)
  const far = settings.mode === 'vxlan' ? others : others.filter(each => !isNear(each))
  const tunnelled = settings.mode === 'hostGW' ? [] : far
  const tunnel = tunnelled.length === 0 ? undefined : planTunnel(input, tunnelled)
  return {
    uplink: uplink.link,
    routes: [
      ...near.map(each => directRoute(each, uplink)),
      ...tunnelled.map(each => tunnelRoute(each, own)),
    ],
    tunnel,
    masquerade: {
      family,
      pods: settings.masquerade === false ? [] : [own.pods.range.prefix],
      inside: insideOf(input),
      tunnel: tunnel?.name,
    },
    mtu: podMtu(settings, uplink, family),
    refusals:
      settings.mode === 'hostGW'
        ? far.map(({ node, address }) => ({
            node,
            message: `address ${address} is not on the link ${uplink.link}: no route in mode hostGW`,
          }))
        : [],
  }
}

const directRoute = ({ node, pods, address }: Located, uplink: Uplink): PlannedRoute => ({
  node,
  destination: pods.range.prefix,
  link: uplink.link,
  gateway: address,
  isOnLink: false,
  source: undefined,
})

const tunnelRoute = ({ node, pods, family }: Located, own: Located): PlannedRoute => ({
  node,
  destination: pods.range.prefix,
  link: tunnelName(family),
  gateway: pods.vtep.gateway,
  // A link-local gateway is on its link by nature.
  isOnLink: family === 4,
  source: own.pods.vtep.address,
})

function planTunnel({ settings, own, uplink }: FamilyInput, peers: readonly Located[]): Tunnel {
  const { family } = own
  const { vtep } = own.pods
  return {
    ...settings.vxlan,
    family,
    name: tunnelName(family),
    local: uplink.address,
    mtu: uplink.mtu - TUNNEL_OVERHEAD[family],
    mac: vtep.mac,
    address: hostPrefix(vtep.address),
    peers: peers.map(({ node, address, pods: { vtep } }) => ({
      node,
      gateway: vtep.gateway,
      mac: vtep.mac,
      remote: address,
    })),
  }
}

/**
 * Pods outlive changes of the cluster, and keep the MTU they were born with: it must not depend on whether there is a
 * node behind a router just now. So only `hostGW` gives away the tunnel's overhead.
 */
function podMtu({ mode, mtu }: RoutesSettings, uplink: Uplink, family: IpFamily): number {
  return mtu ?? uplink.mtu - (mode === 'hostGW' ? 0 : TUNNEL_OVERHEAD[family])
}

/** Pods' ranges and nodes' addresses: all see the pods' own addresses. */
function insideOf({ settings, own, others }: FamilyInput): readonly IpPrefix[] {
  const { clusterCIDRs, noMasqueradeCIDRs } = settings
  const configured = [...clusterCIDRs, ...noMasqueradeCIDRs].filter(
    ({ family }) => family === own.family,
  )
  const ofNodes = [own, ...others].flatMap(({ addressRange, pods }) =>
    pods === undefined ? [addressRange] : [addressRange, pods.range],
  )
  return mergePrefixes([...configured.map(rangeOf), ...ofNodes])
}
