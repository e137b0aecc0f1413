import type { Pod } from '#cluster/objects.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { normalizeName, splitLabels } from '../../name.ts'
import { podDns } from '../../policy/pod-dns.ts'
import type { NodeResolver } from '../../policy/resolv-conf.ts'

/** How a Pod's questions are answered. */
export type Treatment = {
  /** Who answers; undefined: the plugins of the server block. */
  readonly nameservers: readonly IpAddress[] | undefined
  /** Lower case, ending in a dot; `.` may be one of them. */
  readonly searches: readonly string[]
  readonly ndots: number
}

export type TreatmentContext = {
  readonly clusterDomain: string
  /** The kubelet's clusterDNS: this service. Empty: nobody said. */
  readonly clusterDns: readonly IpAddress[]
  readonly resolver: NodeResolver
}

/** Without it the cluster policies would fall back to the node's settings. */
const STAND_IN = '0.0.0.0' as IpAddress

/** resolv.conf(5) */
const DEFAULT_NDOTS = 1
const MAX_NDOTS = 15

/**
 * What a Pod's resolver configuration, as the kubelet would write it, means for a server that is asked by it. Pure.
 * Where the Pod's nameservers include this service, as they do under ClusterFirst, the plugins answer: it asks us as such.
 */
export function treatmentOf(
  pod: Parameters<typeof podDns>[0],
  { clusterDomain, clusterDns, resolver }: TreatmentContext,
): Treatment {
  const own = clusterDns.length > 0 ? clusterDns : [STAND_IN]
  const dns = podDns(pod, { clusterDns: own, clusterDomain, resolver, nodeIPs: [] })
  const named = addressesIn(dns.nameservers)
  // For an empty configuration the runtime copies the node's file.
  const nameservers = named.length > 0 ? named : addressesIn(resolver.nameservers)
  return {
    nameservers: nameservers.some(ip => own.includes(ip)) ? undefined : nameservers,
    searches: dns.searches
      .map(({ value }) => normalizeName(value))
      .filter(name => name !== undefined),
    ndots: ndotsOf(dns.options.map(({ value }) => value)),
  }
}

/**
 * The suffixes that a resolver appends to `base` (ending in a dot) from the first one of its list on. It tries the name alone
 * last, unless it has enough dots to have been tried before.
 */
export const suffixesFor = (base: string, { searches, ndots }: Treatment): readonly string[] =>
  splitLabels(base).length - 1 < ndots ? [...searches, '.'] : searches

const addressesIn = (entries: readonly { readonly value: string }[]): readonly IpAddress[] =>
  entries.map(({ value }) => parseIp(value)).filter(ip => ip !== undefined)

function ndotsOf(options: readonly string[]): number {
  const text = options.findLast(option => /^ndots:\d+$/.test(option))
  return text === undefined
    ? DEFAULT_NDOTS
    : Math.min(Number(text.slice('ndots:'.length)), MAX_NDOTS)
}

/** The treatment of each Pod, thought out once. */
export class Treatments {
  readonly #context: TreatmentContext
  readonly #byPod = new WeakMap<Pod, Treatment>()

  constructor(context: TreatmentContext) {
    this.#context = context
  }

  of(pod: Pod): Treatment {
    let treatment = this.#byPod.get(pod)
    if (treatment === undefined) {
      treatment = treatmentOf(pod, this.#context)
      this.#byPod.set(pod, treatment)
    }
    return treatment
  }
}
