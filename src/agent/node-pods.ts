import { readFileSync } from 'node:fs'
import { type Connection, openSource } from '#cluster/open-source.ts'
import { Store, type StoreReader } from '#cluster/store.ts'
import type { PodName } from '#cni/pods/pod-attachment.ts'
import type { CniDns } from '#cni/spec/result.ts'
import type { KubeletDns } from '#dns/policy/kubelet-dns.ts'
import { podDns } from '#dns/policy/pod-dns.ts'
import { type NodeResolver, parseResolvConf } from '#dns/policy/resolv-conf.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'

type NodePodsOptions = {
  readonly connection: Connection
  readonly nodeName: string
  readonly log: Logger
  /** The source ended though nobody stopped it. */
  readonly onFailure: (error: unknown) => void
}

/**
 * The pods that are scheduled to this node. They are in a store of their own: DNS may want
 * all the cluster's pods, or none.
 */
export class NodePods {
  readonly #store = new Store()
  readonly #options: NodePodsOptions

  private constructor(options: NodePodsOptions) {
    this.#options = options
  }

  /** Starts to read the node's pods, until `signal` is aborted. @throws {ConfigError} the connection makes no sense. */
  static async watch(options: NodePodsOptions, signal: AbortSignal): Promise<NodePods> {
    const { connection, nodeName, log, onFailure } = options
    const fieldSelector = `spec.nodeName=${nodeName}`
    const source = await openSource(connection, { wanted: { Pod: { fieldSelector } }, log })
    const pods = new NodePods(options)
    source.run(pods.#store, signal).catch((error: unknown) => {
      if (!signal.aborted) onFailure(error)
    })
    return pods
  }

  get store(): StoreReader {
    return this.#store
  }

  /** What this kubelet would give the pod by its dnsPolicy; undefined for a pod that is not known. */
  dnsOf({ namespace, name }: PodName, kubelet: KubeletDns): CniDns | undefined {
    const pod = this.#store.get('Pod', `${namespace}/${name}`)
    if (pod === undefined) return undefined
    const { clusterDns, clusterDomain, resolvConf } = kubelet
    try {
      const resolver = resolvConf === '' ? undefined : readResolver(resolvConf)
      const dns = podDns(pod, { clusterDns, clusterDomain, resolver, nodeIPs: [] })
      const values = (entries: readonly { readonly value: string }[]) =>
        entries.map(({ value }) => value)
      return {
        nameservers: values(dns.nameservers),
        search: values(dns.searches),
        options: values(dns.options),
      }
    } catch (error) {
      const reason = describeError(error)
      this.#options.log.warn({ file: resolvConf, reason }, 'no DNS settings for a pod')
      return undefined
    }
  }
}

/** For every pod anew, as the kubelet does: DHCP clients write this file. */
const readResolver = (path: string): NodeResolver => parseResolvConf(readFileSync(path, 'utf8'))
