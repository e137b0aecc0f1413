import type { StoreReader } from '#cluster/store.ts'
import type { AttachedPods } from '#cni/pods/attached-pods.ts'
import type { LocalPods } from '#dns/plugin.ts'
import type { KubeletDns } from '#dns/policy/kubelet-dns.ts'
import { StoredPods } from '#dns/policy/pods-by-address.ts'
import type { IpAddress } from '#net/ip.ts'
import { AskingPods } from './asking-pods.ts'

/** The kubelet's settings where nobody said them: `pods_policy` has defaults for the empty ones. */
const UNTOLD: KubeletDns = { clusterDns: [], clusterDomain: '', resolvConf: '/etc/resolv.conf' }

type LocalPodsOptions = {
  /** Has the node's Pods. */
  readonly store: StoreReader
  readonly nodeName: string
  /** Who has which address, where this agent gives them; undefined: another does. */
  readonly attached: (() => AttachedPods | undefined) | undefined
  readonly kubelet: KubeletDns | undefined
  /** What this service is bound to is its address, whether the kubelet's settings say so or not. */
  readonly nodeLocal: readonly IpAddress[]
}

/** What `pods_policy` gets to know in the agent. */
export function localPodsFrom(options: LocalPodsOptions): LocalPods {
  const { store, nodeName, attached, kubelet = UNTOLD, nodeLocal } = options
  return {
    pods:
      attached === undefined ? new StoredPods(store, nodeName) : new AskingPods(store, attached),
    kubelet: { ...kubelet, clusterDns: [...kubelet.clusterDns, ...nodeLocal] },
  }
}
