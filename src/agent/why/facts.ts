import type { EndpointSlice, Pod, Service, ServicePortSpec } from '#cluster/objects.ts'
import type { IpAddress, IpFamily } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import type { ServiceTraffic } from '#proxy/backend.ts'
import type { ServicePortState } from '#proxy/change-tracker.ts'
import type { Target } from './target.ts'

/**
 * All that was seen on the way from one client to one port of one Service in one family. What could not be looked at is
 * undefined, and nothing is concluded from it.
 */
export type Facts = {
  readonly target: Target
  readonly nodeName: string
  readonly view: ViewFacts
  readonly client: ClientFacts
  /** Absent for a target that is an address. */
  readonly name?: NameFacts | undefined
  readonly service?: ServiceFacts | undefined
  readonly rules?: RuleFacts | undefined
  readonly flows?: FlowFacts | undefined
  readonly endpoints: readonly EndpointFacts[]
  readonly leases: readonly LeaseFacts[]
}

/** Where the cluster's objects are from, and how old they are. */
export type ViewFacts = {
  readonly origin: string
  readonly state: 'live' | 'stale' | 'unreachable'
  /** Since when it is not live. */
  readonly sinceMs?: number | undefined
  readonly nowMs: number
  readonly reason?: string | undefined
}

/** Who connects: a pod, this node itself, or an address somewhere else. */
export type ClientFacts = {
  readonly kind: 'pod' | 'node' | 'outside'
  /** Empty for an outside client that nobody named. */
  readonly addresses: readonly IpAddress[]
  /** The object of a pod. */
  readonly pod?: Pod | undefined
  /** Its interface, when it is on this node. */
  readonly link?: PodLink | undefined
  /** How it sends to the target's address, where that can be looked up. */
  readonly route?: RouteFacts | undefined
}

/** A pod's interface, and what it is plugged into. */
export type PodLink = {
  readonly name: string
  /** What the pod may send: the link's MTU, or less where its default route says so. */
  readonly mtu: number
  readonly host?: HostLink | undefined
}

export type HostLink = {
  readonly name: string
  readonly mtu: number
  readonly bridge?:
    | { readonly name: string; readonly mtu: number; readonly isPromiscuous: boolean }
    | undefined
  /** Of a port of a bridge: may frames leave by the port they came in by? */
  readonly hairpin?: boolean | undefined
  /** Do rules see packets on their way through a bridge (bridge-nf-call-iptables)? Only then the flag matters. */
  readonly isBridgeFiltered: boolean
}

/** What the kernel does with a packet to an address. */
export type RouteFacts = {
  readonly to: IpAddress
  readonly kind: 'unicast' | 'local' | 'none'
  /** The matching route's destination; undefined where the kernel does not say. */
  readonly prefix?: IpPrefix | undefined
  readonly gateway?: IpAddress | undefined
  readonly link?: { readonly name: string; readonly mtu: number } | undefined
}

/** How a name became an address, or did not, from where the client is. */
export type NameFacts = {
  readonly asked: string
  readonly resolver: Resolver
  readonly clusterDomain: string
  /** In the order in which glibc asks; it ends with the one that was found. */
  readonly candidates: readonly Candidate[]
  /** Key of the Service that a client there means by this name, whether the name was found or not. */
  readonly meant?: string | undefined
  /** Keys of Services of that name in other namespaces. */
  readonly elsewhere: readonly string[]
  /** What names outside the cluster are forwarded to. */
  readonly upstreams: readonly UpstreamFacts[]
}

export type Resolver = {
  readonly servers: readonly IpAddress[]
  readonly searches: readonly string[]
  readonly ndots: number
  /** Where the settings are from. */
  readonly why: string
}

export type Candidate = {
  /** Fully qualified. */
  readonly name: string
  /** The name as it was given, without a suffix of the search list. */
  readonly isAsGiven: boolean
  /** An rcode, or `SILENT`: no server answered. */
  readonly rcode: string
  readonly addresses: readonly IpAddress[]
  /** Who answered. */
  readonly server?: IpAddress | undefined
}

export type UpstreamFacts = {
  /** `address:port` */
  readonly server: string
  readonly answers: boolean
  readonly reason?: string | undefined
}

/** The Service, and what the cluster says about the port that is asked for. */
export type ServiceFacts = {
  /** What was asked for, `namespace/name`. */
  readonly key: string
  /** undefined: there is none. */
  readonly service: Service | undefined
  /** All of the Service, of this family. */
  readonly slices: readonly EndpointSlice[]
  /** Those that the selector matches; undefined: Pods are not known here, or there is no selector. */
  readonly pods: readonly Pod[] | undefined
  readonly port?: ServicePortSpec | undefined
  /** What the service proxy makes of the port; undefined for headless Services. */
  readonly state?: ServicePortState | undefined
  readonly reached?: Reached | undefined
}

/** The address by which the Service is asked for. */
export type Reached = {
  readonly by: 'cluster-ip' | 'external-ip' | 'load-balancer' | 'node-port' | 'pod'
  readonly address: IpAddress
  readonly port: number
  readonly family: IpFamily
  /** Node ports answer only on addresses in these; empty: on all. */
  readonly nodePortAddresses: readonly IpPrefix[]
  /** Do node ports answer on loopback (localhostNodePorts)? */
  readonly hasLoopback: boolean
}

export type RuleFacts = {
  readonly mode: string
  /** What the kernel lacks for this port, in its words. */
  readonly missing: readonly string[]
  readonly traffic?: ServiceTraffic | undefined
}

/** Entries of the connection tracking table at the address. */
export type FlowFacts = {
  readonly total: number
  /** `address:port` that answers came from, though it serves no more; each once. */
  readonly stale: readonly string[]
  readonly staleCount: number
}

export type EndpointFacts = {
  readonly address: IpAddress
  readonly port: number
  readonly isReady: boolean
  readonly nodeName?: string | undefined
  /** `namespace/name` */
  readonly pod?: string | undefined
  /** Is its pod on this node? */
  readonly isLocal: boolean
  /** From this node. */
  readonly route?: RouteFacts | undefined
  /** Must a route lead there that is not the default one: to a pod here, or of a node to which the routes are ours? */
  readonly needsRoute: boolean
  readonly link?: PodLink | undefined
  /** Sockets of the protocol that take connections in the pod; undefined: not to be seen from here. */
  readonly listening?: readonly Listening[] | undefined
  /** A connection from this node, where the pod cannot be looked into. */
  readonly probe?: 'accepted' | 'refused' | 'silent' | undefined
}

export type Listening = { readonly address: IpAddress; readonly port: number }

/** A range of host-local whose leases were compared with the pods that exist. */
export type LeaseFacts = {
  readonly network: string
  readonly folder: string
  /** `START-END` */
  readonly range: string
  readonly size: number
  readonly leased: number
  /** Leases that no network namespace of this node has. */
  readonly leaked: readonly IpAddress[]
}
