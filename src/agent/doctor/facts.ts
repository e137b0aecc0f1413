import type { IptablesFlavour } from '#linux/iptables.ts'
import type { LinkAddress } from '#linux/netlink/address.ts'
import type { Link } from '#linux/netlink/link.ts'
import type { Route } from '#linux/netlink/route.ts'
import type { NftChain } from '#linux/nft-chains.ts'
import type { IpAddress, IpFamily } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'

/** All that the checks look at: read once, in one network namespace. */
export type NodeFacts = {
  readonly wanted: Wanted
  readonly links: readonly Link[]
  readonly addresses: readonly LinkAddress[]
  /** Of the main table, both families. */
  readonly routes: readonly Route[]
  /** By path below /proc/sys; what is missing the kernel does not have. */
  readonly sysctls: ReadonlyMap<string, string>
  readonly features: readonly Feature[]
  readonly resolvers: readonly Resolver[]
  /** Readable network configurations, in the order in which a runtime looks at them: it takes the first. */
  readonly networks: readonly CniNetwork[]
  readonly iptables: readonly IptablesFacts[]
  /** `ip nodeplane`: those that have chains. */
  readonly nftTables: readonly string[]
  /** Chains of others in the way of forwarded packets, with the rules of their tables. */
  readonly nftForward: readonly NftForward[]
  readonly agent: AgentFacts
}

/** What the agent's configuration asks of this node. */
export type Wanted = {
  /** Is there a configuration at all? Without it the other fields say what may be meant. */
  readonly isConfigured: boolean
  /** undefined: another program does it. */
  readonly proxyMode: 'nftables' | 'iptables' | 'ipvs' | undefined
  readonly dns: boolean
  readonly cni: boolean
  /** undefined: another program does it. */
  readonly routes: 'auto' | 'hostGW' | 'vxlan' | undefined
  /** Addresses by which our DNS server is asked. */
  readonly dnsAddresses: readonly IpAddress[]
}

/** Something that the kernel or the machine has to offer. */
export type Feature = {
  readonly name: string
  readonly neededBy: string
  /** undefined: it is there. */
  readonly whyNot: string | undefined
}

export type Resolver = {
  readonly file: string
  /** `pods`: the kubelet gives it to them; `default`: it would, nobody said so; `forward`: our DNS server asks its servers. */
  readonly usedBy: 'pods' | 'default' | 'forward'
  readonly nameservers: readonly string[]
}

export type CniNetwork = {
  readonly file: string
  readonly name: string
  /** Of the plugins, in their order. */
  readonly types: readonly string[]
  /** Is it one that nodeplane wrote? */
  readonly isOurs: boolean
  readonly bridge: string | undefined
  readonly mtu: number | undefined
  readonly hairpin: boolean
  /** Where pods get addresses from. */
  readonly subnets: readonly IpPrefix[]
}

/** One family and flavour of iptables. */
export type IptablesFacts = {
  readonly family: IpFamily
  readonly flavour: IptablesFlavour
  /** `nat KUBE-SERVICES` */
  readonly chains: ReadonlySet<string>
  readonly forwardPolicy: string
  /** Of the filter table's chains by which forwarded packets pass. */
  readonly forwardRules: ReadonlyMap<string, readonly string[]>
  /** The first rule that a node-local DNS cache made. */
  readonly nodeLocalDnsRule: string | undefined
}

export type NftForward = NftChain & {
  readonly rules: ReadonlyMap<string, readonly string[]>
}

/** What the agent's metrics say; times in seconds since 1970. */
export type AgentFacts = {
  readonly nowSeconds: number
  /** undefined: nobody answers. */
  readonly syncs: readonly SyncTimes[] | undefined
  readonly url: string
}

export type SyncTimes = {
  readonly family: string
  readonly last: number
  readonly queued: number
}
