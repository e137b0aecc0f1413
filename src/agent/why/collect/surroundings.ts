import type { StoreReader } from '#cluster/store.ts'
import type { KubeletDns } from '#dns/policy/kubelet-dns.ts'
import type { SeenNamespace } from '#linux/namespace-list.ts'
import type { IpAddress } from '#net/ip.ts'
import type { ProxySettings } from '#proxy/settings.ts'
import type { Logger } from '#runtime/log.ts'
import type { ViewFacts } from '../facts.ts'

/** What a search for a cause looks at. It is root's work, in the node's own network namespace. */
export type Surroundings = {
  readonly nodeName: string
  /** What this node knows of the cluster. */
  readonly store: StoreReader
  readonly view: ViewFacts
  /** undefined: the service proxy is not ours, so its rules are not looked at. */
  readonly settings: ProxySettings | undefined
  /** Are the routes to other nodes ours? Then each of their pods must have one. */
  readonly ownsRoutes: boolean
  /** What the kubelet tells pods about DNS. */
  readonly kubelet: KubeletDns
  /** Path of the Corefile; undefined: the DNS server is not ours. */
  readonly corefile: string | undefined
  /** The folder of network configurations (`/etc/cni/net.d`). */
  readonly cniConfDir: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Logger
  readonly signal: AbortSignal
  /** Everybody's namespaces, listed once. */
  readonly namespaces: readonly SeenNamespace[]
}

/** The namespace of this node in which an address is, if it is that of a pod here. */
export const namespaceOf = (
  { namespaces }: Pick<Surroundings, 'namespaces'>,
  address: IpAddress,
): SeenNamespace | undefined =>
  namespaces.find(({ addresses }) => addresses.some(each => each.address === address))
