import { type Clock, systemClock } from '#runtime/clock.ts'
import type { Metrics } from '#runtime/metrics.ts'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import type { Query } from '../../message.ts'
import { counter } from '../../metric.ts'
import type { Handler, LocalPods, Plugin, PluginDefinition, SetupContext } from '../../plugin.ts'
import { StoredPods } from '../../policy/pods-by-address.ts'
import { baseUnder, walkSearch } from '../../search-walk.ts'
import { type ForwardMetrics, forwardMetrics } from '../forward/forward-metrics.ts'
import { NodeTreatments } from './node-treatments.ts'
import { type PodsPolicyOptions, parsePodsPolicy } from './options.ts'
import { suffixesFor, type Treatment } from './treatment.ts'
import { Upstreams } from './upstreams.ts'

/** What tests replace. */
type Surroundings = {
  readonly clock: Clock
  /** Of the nameservers of Pods. */
  readonly port: number
}

/**
 * `pods_policy`: treats the queries of this node's Pods by their dnsPolicy, and walks their search lists. It decides by client,
 * so a block with it stays off the fast path.
 */
export const podsPolicy = (
  surroundings: Surroundings = { clock: systemClock, port: 53 },
): PluginDefinition => ({
  name: 'pods_policy',
  repeatable: false,
  async setup([directive], context) {
    if (directive === undefined) throw new TypeError('pods_policy: set up without directive')
    const options = parsePodsPolicy(directive, context.directory)
    return setUp(await localPodsOf(directive, options, context), context, surroundings)
  },
})

type OwnedPods = LocalPods & { readonly close: () => void }

/** In the agent what it knows, with the options of the Corefile before its own; else the Pods of the node that is named. */
async function localPodsOf(
  directive: Directive,
  options: PodsPolicyOptions,
  { cluster }: SetupContext,
): Promise<OwnedPods> {
  const local = await cluster.localPods?.()
  const kubelet = {
    clusterDns: options.clusterDns ?? local?.kubelet.clusterDns ?? [],
    clusterDomain: options.clusterDomain ?? local?.kubelet.clusterDomain ?? '',
    resolvConf: options.resolvConf ?? local?.kubelet.resolvConf ?? '/etc/resolv.conf',
  }
  if (local !== undefined) return { pods: local.pods, kubelet, close: () => undefined }
  if (options.node === undefined || options.node === '') {
    throw directiveError(directive, 'needs the name of this node: node {$NODE_NAME}')
  }
  const fieldSelector = `spec.nodeName=${options.node}`
  const store = await cluster.open(options.connection, { Pod: { fieldSelector } })
  const pods = new StoredPods(store, options.node)
  return { pods, kubelet, close: () => pods[Symbol.dispose]() }
}

async function setUp(
  { pods, kubelet, close }: OwnedPods,
  context: SetupContext,
  around: Surroundings,
): Promise<Plugin> {
  const { server, metrics, lookup } = context
  const found = counter(metrics, {
    name: 'nodeplane_dns_pod_searches_total',
    help: 'Queries of Pods that were answered by walking the search list.',
    labels: ['server'],
  })
  const upstreams = new Upstreams({ ...around, metrics: podForwardMetrics(metrics) })
  const treatments = await NodeTreatments.open(kubelet, context)
  const answer = (query: Query, treatment: Treatment, { next, signal }: Asking) => {
    const { nameservers } = treatment
    const base = baseUnder(query.question.name, treatment.searches)
    const isOurs = nameservers === undefined || nameservers.includes(query.server.address)
    const ask = (asked: Query) =>
      isOurs ? next(asked, signal) : upstreams.ask(nameservers, asked, signal)
    if (base === undefined) return ask(query)
    const lookups = (query.lookups ?? 0) + 1
    return walkSearch({
      query,
      base,
      suffixes: suffixesFor(base, treatment),
      askFirst: () => ask(query),
      // Another name may be another server block's.
      askOther: other => (isOurs ? lookup({ ...other, lookups }, signal) : ask(other)),
      onFound: () => found.inc({ server }),
    })
  }
  return {
    name: 'pods_policy',
    wrap: next => (query, signal) => {
      // What the server looks up itself is part of an answer that is being made.
      const pod = query.lookups === undefined ? pods.podAt(query.client.address) : undefined
      return pod === undefined
        ? next(query, signal)
        : answer(query, treatments.of(pod), { next, signal })
    },
    start: () => treatments.start(),
    stop() {
      treatments.stop()
      upstreams[Symbol.dispose]()
      close()
    },
  }
}

/** Whoever makes a Pod chooses its nameservers: they share one series. */
function podForwardMetrics(metrics: Metrics): ForwardMetrics {
  const all = forwardMetrics(metrics)
  return { ...all, of: () => all.of('nameservers of pods') }
}

type Asking = { readonly next: Handler; readonly signal: AbortSignal }
