import type { Pod } from '#cluster/objects.ts'
import type { Plugin, SetupContext } from '../../plugin.ts'
import type { KubeletDns } from '../../policy/kubelet-dns.ts'
import {
  MAX_RESOLV_CONF_BYTES,
  type NodeResolver,
  parseResolvConf,
} from '../../policy/resolv-conf.ts'
import { WatchedFile } from '../watched-file.ts'
import { type Treatment, Treatments } from './treatment.ts'

/** How often the node's resolver file is looked at, milliseconds. */
const RESOLVER_INTERVAL_MS = 5000

/** The treatments of this node's Pods, by the node's resolver file as it is now. */
export class NodeTreatments {
  readonly #kubelet: KubeletDns
  readonly #context: Pick<SetupContext, 'log' | 'allPlugins'>
  readonly #file: WatchedFile
  #resolver: NodeResolver = { nameservers: [], searches: [], options: [] }
  #treatments: Treatments | undefined

  private constructor(kubelet: KubeletDns, context: Pick<SetupContext, 'log' | 'allPlugins'>) {
    this.#kubelet = kubelet
    this.#context = context
    this.#file = new WatchedFile({
      path: kubelet.resolvConf,
      intervalMs: kubelet.resolvConf === '' ? 0 : RESOLVER_INTERVAL_MS,
      maxOctets: MAX_RESOLV_CONF_BYTES,
      onText: text => {
        this.#resolver = parseResolvConf(text)
        this.#treatments = undefined
      },
      // What was read before stays in use.
      onFailure: reason =>
        context.log.warn({ reason }, 'pods_policy: the resolver file cannot be used'),
    })
  }

  static async open(
    kubelet: KubeletDns,
    context: Pick<SetupContext, 'log' | 'allPlugins'>,
  ): Promise<NodeTreatments> {
    const treatments = new NodeTreatments(kubelet, context)
    if (kubelet.resolvConf !== '') await treatments.#file.look()
    return treatments
  }

  start(): void {
    this.#file.start()
  }

  stop(): void {
    this.#file.stop()
  }

  /** Not before every plugin of the Corefile is set up. */
  of(pod: Pod): Treatment {
    const { clusterDomain, clusterDns } = this.#kubelet
    this.#treatments ??= new Treatments({
      clusterDomain: clusterDomain || servedDomain(this.#context.allPlugins()),
      clusterDns,
      resolver: this.#resolver,
    })
    return this.#treatments.of(pod)
  }
}

/** The domain that the first `kubernetes` of the Corefile serves; empty without one. */
const servedDomain = (plugins: readonly Plugin[]): string =>
  plugins
    .find(({ clusterZone }) => clusterZone !== undefined)
    ?.clusterZone?.options.primaryZone.slice(0, -1) ?? ''
