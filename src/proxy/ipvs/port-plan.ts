import type { IpAddress, IpFamily } from '#net/ip.ts'
import { hostPrefix, prefixContains } from '#net/prefix.ts'
import type { Protocol } from '#net/protocol.ts'
import type { ServicePortState } from '../change-tracker.ts'
import { servicePortKey } from '../service-port.ts'
import { isLocal } from '../topology.ts'
import { type DestinationId, ServerFlag, type ServerId, type ServerPlan } from './server.ts'
import type { IpsetEntry, Member, SetKind } from './sets.ts'

/** What the plan of a service port depends on besides the port. All addresses are of its family. */
export type PlanContext = {
  readonly family: IpFamily
  readonly nodeName: string
  /** The node's own addresses as the cluster knows them: source ranges may name it by them. */
  readonly nodeIPs: readonly IpAddress[]
  /** Addresses of this machine's links, the dummy one left out: they are never put on that one. */
  readonly machineAddresses: ReadonlySet<IpAddress>
  /** Those of them that answer on node ports. */
  readonly nodePortAddresses: readonly IpAddress[]
  readonly scheduler: string
}

/** What the kernel is to hold for one service port. */
export type PortPlan = {
  /** Unique and stable, and what decides when two ports want the same thing. */
  readonly key: string
  readonly servers: readonly ServerPlan[]
  /** On the dummy link: packets to them are for this machine, so that IPVS sees them. */
  readonly addresses: readonly IpAddress[]
  readonly members: readonly Member[]
  /** Virtual servers that this node itself may not use: it is outside of their source ranges. */
  readonly barred: readonly ServerId[]
}

/** The plan of a service port. Pure. Where kube-proxy's IPVS mode differs from its other modes, this does as it does. */
export function portPlan(port: ServicePortState, context: PlanContext): PortPlan {
  const { clusterIP, externalIPs, loadBalancerVIPs, externalPolicyLocal, internalPolicyLocal } =
    port
  const inside = destinationsOf(port, internalPolicyLocal)
  const outside = destinationsOf(port, externalPolicyLocal)
  const external = [...externalIPs, ...loadBalancerVIPs]
  const at = (address: IpAddress, number: number, destinations: readonly DestinationId[]) => ({
    ...serverSettings(port, context),
    protocol: port.protocol,
    address,
    port: number,
    destinations,
  })
  const ownRanges = holdsNode(port, context)
  const bound = new Set([
    clusterIP,
    ...external.filter(address => !context.machineAddresses.has(address)),
  ])
  return {
    key: servicePortKey(port),
    servers: [
      ...nodePortAddressesOf(port, context).map(address => at(address, port.nodePort, outside)),
      ...external.map(address => at(address, port.port, outside)),
      at(clusterIP, port.port, inside),
    ],
    addresses: [...bound],
    members: [...members(port, context), ...[...bound].map(ip => member('IPVS-IPS', { ip }))],
    barred:
      port.sourceRanges.length === 0 || ownRanges
        ? []
        : loadBalancerVIPs.map(address => ({ protocol: port.protocol, address, port: port.port })),
  }
}

function serverSettings({ affinityTimeoutSeconds }: ServicePortState, { scheduler }: PlanContext) {
  const persistent = affinityTimeoutSeconds === undefined ? 0 : ServerFlag.persistent
  const byPort = scheduler === 'mh' ? ServerFlag.scheduler2 : 0
  return {
    scheduler,
    flags: persistent | byPort,
    timeoutSeconds: affinityTimeoutSeconds ?? 0,
  }
}

/**
 * IPVS refuses connections to a server without destinations and cannot drop them, nor tell pods from other clients: a
 * policy Local that has no endpoint here falls back to the endpoints of policy Cluster (which are none when no traffic
 * of the port goes by that).
 */
function destinationsOf(
  { endpoints: { local, cluster } }: ServicePortState,
  isPolicyLocal: boolean,
): readonly DestinationId[] {
  const chosen = isPolicyLocal && local.length > 0 ? local : cluster
  // Slim copies: an endpoint's hints need not live as long as the plan.
  return chosen.map(({ address, port }) => ({ address, port }))
}

const nodePortAddressesOf = (port: ServicePortState, context: PlanContext): readonly IpAddress[] =>
  port.nodePort === 0 ? [] : context.nodePortAddresses

const holdsNode = ({ sourceRanges }: ServicePortState, { nodeIPs }: PlanContext): boolean =>
  sourceRanges.some(range => nodeIPs.some(ip => prefixContains(range, ip)))

const member = (set: SetKind, entry: IpsetEntry): Member => ({ set, entry })

function members(port: ServicePortState, context: PlanContext): readonly Member[] {
  const { protocol, clusterIP, externalIPs, externalPolicyLocal } = port
  const at = (ip: IpAddress): IpsetEntry => ({ ip, protocol, port: port.port })
  const externalSet = externalPolicyLocal ? 'EXTERNAL-IP-LOCAL' : 'EXTERNAL-IP'
  return [
    member('CLUSTER-IP', at(clusterIP)),
    ...hairpins(port, context),
    ...externalIPs.map(ip => member(externalSet, at(ip))),
    ...loadBalancerMembers(port, context),
    ...nodePortMembers(port, context),
    // kube-proxy leaves this out where no address of the node is selected for node ports.
    ...(port.healthCheckNodePort === 0
      ? []
      : [member('HEALTH-CHECK-NODE-PORT', { port: port.healthCheckNodePort })]),
  ]
}

/** Connections of endpoints on this node to themselves, whatever their state. */
const hairpins = (
  { allEndpoints, protocol }: ServicePortState,
  context: PlanContext,
): readonly Member[] =>
  allEndpoints
    .filter(endpoint => isLocal(endpoint, context))
    .map(({ address, port }) =>
      member('LOOP-BACK', { ip: address, protocol, port, to: hostPrefix(address) }),
    )

function loadBalancerMembers(port: ServicePortState, context: PlanContext): readonly Member[] {
  const { protocol, sourceRanges, externalPolicyLocal } = port
  const ownRanges = holdsNode(port, context)
  return port.loadBalancerVIPs.flatMap(ip => {
    const vip = { ip, protocol, port: port.port }
    return [
      member('LOAD-BALANCER', vip),
      ...(externalPolicyLocal ? [member('LOAD-BALANCER-LOCAL', vip)] : []),
      ...(sourceRanges.length > 0 ? [member('LOAD-BALANCER-FW', vip)] : []),
      ...sourceRanges.map(to => member('LOAD-BALANCER-SOURCE-CIDR', { ...vip, to })),
      // The VIP is on a link of this machine, so its own connections to the VIP come from the VIP.
      ...(ownRanges ? [member('LOAD-BALANCER-SOURCE-IP', { ...vip, to: hostPrefix(ip) })] : []),
    ]
  })
}

const nodePortSets = {
  TCP: ['NODE-PORT-TCP', 'NODE-PORT-LOCAL-TCP'],
  UDP: ['NODE-PORT-UDP', 'NODE-PORT-LOCAL-UDP'],
  SCTP: ['NODE-PORT-SCTP-HASH', 'NODE-PORT-LOCAL-SCTP-HASH'],
} as const satisfies Record<Protocol, readonly [SetKind, SetKind]>

function nodePortMembers(port: ServicePortState, context: PlanContext): readonly Member[] {
  const { protocol, nodePort } = port
  if (nodePort === 0) return []
  const [all, local] = nodePortSets[protocol]
  const entries =
    protocol === 'SCTP'
      ? context.nodePortAddresses.map(ip => ({ ip, protocol, port: nodePort }))
      : [{ port: nodePort }]
  return entries.flatMap(entry => [
    member(all, entry),
    ...(port.externalPolicyLocal ? [member(local, entry)] : []),
  ])
}
