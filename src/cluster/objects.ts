import type { IpFamily } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'

/**
 * What is kept of the API's objects: the fields somebody uses, nothing else. Ten thousand Services fit because
 * managedFields, annotations and status never enter. Every field is readonly: a change is a new object.
 */
export type ObjectMeta = {
  readonly name: string
  /** Empty for objects without namespace (Node, Namespace, ServiceCIDR). */
  readonly namespace: string
  readonly labels: Labels
}

/** Label or annotation names to values. */
export type Labels = Readonly<Record<string, string>>

export type ServicePortSpec = {
  /** Empty when the Service's only port has no name. */
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
  /** 0 when there is none. */
  readonly nodePort: number
  /** A number, a name of a container port, or undefined for the same as `port`. Read only to derive slices. */
  readonly targetPort?: number | string | undefined
  readonly appProtocol?: string | undefined
}

export type LoadBalancerIngress = {
  readonly ip?: string | undefined
  readonly hostname?: string | undefined
  readonly ipMode?: string | undefined
}

export type Service = {
  readonly kind: 'Service'
  readonly metadata: ObjectMeta
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  /** As the API gives it: an address, `None`, or empty. */
  readonly clusterIP: string
  readonly clusterIPs: readonly string[]
  readonly ipFamilies: readonly IpFamily[]
  readonly ports: readonly ServicePortSpec[]
  readonly externalIPs: readonly string[]
  /** Empty unless the type is ExternalName. */
  readonly externalName: string
  readonly loadBalancerIngress: readonly LoadBalancerIngress[]
  readonly loadBalancerSourceRanges: readonly string[]
  /** Seconds of ClientIP session affinity, or undefined for none. */
  readonly affinityTimeoutSeconds?: number | undefined
  readonly internalTrafficPolicy: 'Cluster' | 'Local'
  readonly externalTrafficPolicy: 'Cluster' | 'Local'
  /** 0 when there is none. */
  readonly healthCheckNodePort: number
  readonly publishNotReadyAddresses: boolean
  /** Read only to derive slices from Pods. */
  readonly selector?: Labels | undefined
}

export type EndpointConditions = {
  /** The API's nil counts as true. */
  readonly ready: boolean
  /** The API's nil counts as true. */
  readonly serving: boolean
  readonly terminating: boolean
}

export type Endpoint = {
  readonly addresses: readonly string[]
  readonly conditions: EndpointConditions
  readonly hostname?: string | undefined
  readonly nodeName?: string | undefined
  /** Name of the Pod behind the endpoint, when its targetRef is a Pod. */
  readonly podName?: string | undefined
  readonly zone?: string | undefined
  readonly zoneHints?: readonly string[] | undefined
  readonly nodeHints?: readonly string[] | undefined
}

export type EndpointPort = {
  /** Empty for the unnamed port; undefined (nil in the API) means the port is not usable by proxies. */
  readonly name: string | undefined
  readonly protocol: Protocol
  /** undefined (nil in the API) or 0: not usable. */
  readonly port: number | undefined
}

export type EndpointSlice = {
  readonly kind: 'EndpointSlice'
  readonly metadata: ObjectMeta
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN'
  readonly ports: readonly EndpointPort[]
  readonly endpoints: readonly Endpoint[]
  /** Of the annotation `endpoints.kubernetes.io/last-change-trigger-time`, milliseconds since the epoch. */
  readonly lastChangeTriggerTimeMs?: number | undefined
}

export type NodeAddress = { readonly type: string; readonly address: string }

export type Taint = { readonly key: string; readonly effect: string }

export type Node = {
  readonly kind: 'Node'
  readonly metadata: ObjectMeta
  readonly addresses: readonly NodeAddress[]
  /** `spec.podCIDRs`, or `[spec.podCIDR]`. */
  readonly podCIDRs: readonly string[]
  readonly taints: readonly Taint[]
  /** `metadata.creationTimestamp`, milliseconds since the epoch; absent in most manifests. */
  readonly createdMs?: number | undefined
  /** Has a deletionTimestamp. */
  readonly deleting: boolean
}

export type Namespace = { readonly kind: 'Namespace'; readonly metadata: ObjectMeta }

/** A range that cluster IPs are given out of (networking.k8s.io/v1). */
export type ServiceCIDR = {
  readonly kind: 'ServiceCIDR'
  readonly metadata: ObjectMeta
  /** As written, not checked. */
  readonly cidrs: readonly string[]
}

export type DnsPolicy = 'ClusterFirst' | 'ClusterFirstWithHostNet' | 'Default' | 'None'

export type PodDnsOption = { readonly name: string; readonly value?: string | undefined }

export type PodDnsConfig = {
  readonly nameservers: readonly string[]
  readonly searches: readonly string[]
  readonly options: readonly PodDnsOption[]
}

export type ContainerPort = {
  readonly name: string
  readonly containerPort: number
  readonly protocol: Protocol
}

export type Pod = {
  readonly kind: 'Pod'
  readonly metadata: ObjectMeta
  /** As written, not checked: the policy function says what is wrong with it. */
  readonly dnsPolicy: string
  readonly dnsConfig?: PodDnsConfig | undefined
  readonly hostNetwork: boolean
  readonly hostname: string
  readonly subdomain: string
  readonly nodeName: string
  readonly containerPorts: readonly ContainerPort[]
  readonly phase: string
  /** `status.podIPs`, or `[status.podIP]`. */
  readonly podIPs: readonly string[]
  /** The Ready condition is True. */
  readonly ready: boolean
  /** Has a deletionTimestamp. */
  readonly deleting: boolean
}

export type ImportedPort = {
  /** Empty for the unnamed port. */
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
}

/** A Service of a set of clusters, as this one imports it (multicluster.x-k8s.io/v1alpha1; KEP 1645). */
export type ServiceImport = {
  readonly kind: 'ServiceImport'
  readonly metadata: ObjectMeta
  readonly type: 'ClusterSetIP' | 'Headless'
  /** None when it is headless, or has none yet. */
  readonly ips: readonly string[]
  readonly ports: readonly ImportedPort[]
}

/** Every kind that can be in the store. */
export type ObjectOf = {
  readonly Service: Service
  readonly EndpointSlice: EndpointSlice
  readonly Node: Node
  readonly Namespace: Namespace
  readonly Pod: Pod
  readonly ServiceCIDR: ServiceCIDR
  readonly ServiceImport: ServiceImport
}
export type Kind = keyof ObjectOf
export type ClusterObject = ObjectOf[Kind]

/** The label of an EndpointSlice that names its Service. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'

/** The labels of an EndpointSlice that name its ServiceImport, and the cluster that its endpoints are in. */
export const IMPORT_NAME_LABEL = 'multicluster.kubernetes.io/service-name'
export const SOURCE_CLUSTER_LABEL = 'multicluster.kubernetes.io/source-cluster'

/** `namespace/name`, or the name alone for objects without namespace. Unique within a kind. */
export const keyOf = ({ metadata }: { readonly metadata: ObjectMeta }): string =>
  metadata.namespace === '' ? metadata.name : `${metadata.namespace}/${metadata.name}`
