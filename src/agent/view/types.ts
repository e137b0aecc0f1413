import type { Kind } from '#cluster/objects.ts'
import type { CachedAnswer } from '#dns/plugin.ts'
import type { Protocol } from '#net/protocol.ts'
import type { PartName } from '../parts/part.ts'

/**
 * What the agent tells about its node, as JSON: the status page and the commands read nothing else. All of it is read only.
 * Times are milliseconds since the epoch.
 */

/** `GET /api/v1/node` */
export type NodeView = {
  readonly node: string
  readonly version: string
  readonly pid: number
  readonly startedMs: number
  readonly nowMs: number
  /** No part says why not. */
  readonly ready: boolean
  readonly parts: readonly PartView[]
  readonly cluster: ClusterView
  /** Of the process; bytes, and seconds of CPU since its start. */
  readonly memoryBytes: number
  readonly cpuSeconds: number
}

/** A part of the agent, `cluster` among them. */
export type PartView = {
  readonly part: PartName | 'cluster'
  readonly ok: boolean
  /** Why it is not ok. */
  readonly reason?: string | undefined
}

export type ClusterView = {
  /** Where objects come from: the URL of the API server or a folder. */
  readonly origin: string
  readonly kinds: readonly {
    readonly kind: Kind
    readonly count: number
    readonly synced: boolean
  }[]
  /** When the source was heard of last, where it does not answer now. */
  readonly lastHeardMs?: number | undefined
  /** The objects are of a snapshot, which was taken then. */
  readonly staleSinceMs?: number | undefined
}

/** `GET /api/v1/services`, `GET /api/v1/service?namespace=N&name=N` (one of them, 404 where there is none) */
export type ServiceView = {
  readonly namespace: string
  readonly name: string
  readonly type: string
  readonly clusterIPs: readonly string[]
  readonly externalIPs: readonly string[]
  readonly externalName?: string | undefined
  readonly ports: readonly ServicePortView[]
}

/** `GET /api/v1/service-page?filter=TEXT&sort=name|ready|traffic&offset=N&limit=N` */
export type ServicePageView = {
  readonly total: number
  /** How many the filter lets through. */
  readonly matching: number
  readonly offset: number
  readonly services: readonly ServiceView[]
}

export type ServicePortView = {
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
  readonly nodePort?: number | undefined
  /** How many endpoints the slices have, and how many of those are ready. */
  readonly endpoints: number
  readonly ready: number
  /** Where the mode counts; see `serviceCounters` of the proxy. */
  readonly traffic?: TrafficView | undefined
}

/** Since the rules were made; the rates are of the last seconds, where two readings were made. */
export type TrafficView = {
  readonly connections: number
  readonly packets: number
  readonly bytes: number
  readonly connectionsPerSecond?: number | undefined
  readonly packetsPerSecond?: number | undefined
  readonly bytesPerSecond?: number | undefined
}

/** `GET /api/v1/endpoints?namespace=N&name=N`: of one Service, each port of each address. */
export type EndpointView = {
  readonly slice: string
  readonly portName: string
  readonly protocol: string
  readonly address: string
  readonly port: number | undefined
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly node?: string | undefined
  readonly pod?: string | undefined
  readonly zone?: string | undefined
}

/** `GET /api/v1/dns` */
export type DnsView = {
  /** `[scheme://]zone:port[ on address]` */
  readonly served: readonly string[]
  /** Since the start, as all counts here. */
  readonly queries: number
  /** Answers by rcode (`NOERROR`, `NXDOMAIN` …). */
  readonly rcodes: Readonly<Record<string, number>>
  readonly cache: { readonly hits: number; readonly misses: number; readonly entries: number }
  readonly upstreams: readonly {
    readonly address: string
    readonly queries: number
    readonly meanMs?: number | undefined
  }[]
  /** The most asked names, and who asks most, of the last minutes; a sample. */
  readonly topNames: readonly {
    readonly name: string
    readonly type: string
    readonly count: number
  }[]
  readonly topClients: readonly {
    readonly address: string
    /** `namespace/name`, where it is one of this node's pods. */
    readonly pod?: string | undefined
    readonly count: number
  }[]
}

/** `GET /api/v1/dns-explain?name=N&type=T&client=IP&server=IP`: how a question would be answered; 404: it is none. */
export type { Explanation as DnsExplainView } from '#dns/server/explain.ts'

/** `GET /api/v1/dns-cache?name=N&limit=N` */
export type DnsCacheView = {
  /** The `cache` of each server block. */
  readonly blocks: readonly {
    /** `dns://:53` */
    readonly server: string
    readonly zones: readonly string[]
    readonly view: string
    /** Entries: answers, and denials with failures. */
    readonly answers: number
    readonly denials: number
    readonly bytes: number
    /** Queries since the start. */
    readonly hits: number
    readonly misses: number
  }[]
  /** Of one name, or the first hundred. */
  readonly entries: readonly (CachedAnswer & { readonly zones: readonly string[] })[]
}

/** `GET /api/v1/diff`: in what the kernel differs from what the parts have, or should have, written. */
export type DiffView = readonly DiffPartView[]

export type DiffPartView = {
  readonly part: PartName
  /** Why it could not be looked at; there are no differences to be told then. */
  readonly unknown?: string | undefined
  readonly differences: readonly DifferenceView[]
}

/** One thing: `wanted` alone is missing, `found` alone is too much, both: it is another. */
export type DifferenceView = {
  readonly place: string
  readonly wanted?: string | undefined
  readonly found?: string | undefined
}

/** `GET /api/v1/pods`: interfaces that this node's pods have. */
export type PodView = {
  /** `namespace/name`; absent for a container that is no pod. */
  readonly pod?: string | undefined
  readonly containerId: string
  readonly interface: string
  readonly network: string
  readonly netns: string
  readonly addresses: readonly string[]
  readonly hostInterface?: string | undefined
}

/** `GET /api/v1/attachments`: what CNI ADDs have begun and no DEL has ended. */
export type AttachmentView = {
  readonly network: string
  readonly containerId: string
  readonly interface: string
  readonly netns: string
  /** `namespace/name` */
  readonly pod?: string | undefined
  /** Its namespace is not there any more, whoever may know of it. */
  readonly isGone: boolean
}

/** `POST /api/v1/cni-gc[?network=N]`, on the socket alone: ends attachments whose containers have gone. */
export type CollectedView = {
  readonly removed: readonly CollectedAttachment[]
  readonly failed: readonly (CollectedAttachment & { readonly reason: string })[]
  /** How many there still are: it takes no longer than some seconds at a time. */
  readonly left: number
}

export type CollectedAttachment = Pick<AttachmentView, 'network' | 'containerId' | 'interface'>

/** `GET /api/v1/routes`: to the pods of other nodes. */
export type RoutesView = {
  readonly mode: string
  readonly mtu?: number | undefined
  readonly nodes: readonly {
    readonly node: string
    readonly podCIDRs: readonly string[]
    readonly addresses: readonly string[]
    /** How packets get there. */
    readonly via: 'own' | 'route' | 'tunnel' | 'none'
    readonly reason?: string | undefined
  }[]
}

/** `GET /api/v1/incidents`: what went wrong and was noticed, the newest last; a bounded number of them. */
export type IncidentView = {
  readonly atMs: number
  readonly part: PartName | 'cluster'
  /** What happened, in one line. */
  readonly message: string
  /** Who did it, where the kernel says. */
  readonly by?: string | undefined
  /** It was put right then; absent while it goes on. */
  readonly healedMs?: number | undefined
}

/** `GET /api/v1/why?target=T`: what `nodeplane why` says; 404 for what can be no target. */
export type WhyView = {
  readonly target: string
  /** Another question is being answered: ask again. */
  readonly isBusy: boolean
  /** As in a terminal; the first line names the cause. */
  readonly text: string
}

/** `GET /api/v1/objects?kind=K[&key=NAMESPACE/NAME]`: what the agent keeps of the cluster's objects (`#cluster/objects.ts`). */
export type ObjectsView = readonly unknown[]
