import type { Pod } from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import type { AttachedPods } from '#cni/pods/attached-pods.ts'
import type { PodsByAddress } from '#dns/policy/pods-by-address.ts'
import type { IpAddress } from '#net/ip.ts'

/**
 * Who asks, where this agent gives Pods their addresses: the one whose ADD was answered last, until its DEL. What the Pods'
 * status says of addresses comes later and is not looked at, so a reused address is never taken for its former owner's.
 */
export class AskingPods implements PodsByAddress {
  readonly #store: StoreReader
  readonly #attached: () => Pick<AttachedPods, 'byAddress'> | undefined

  /** @param attached undefined as long as it is not known: nobody is then. @param store has the node's Pods. */
  constructor(store: StoreReader, attached: () => Pick<AttachedPods, 'byAddress'> | undefined) {
    this.#store = store
    this.#attached = attached
  }

  podAt(address: IpAddress): Pod | undefined {
    const pod = this.#attached()?.byAddress(address)?.pod
    return pod && this.#store.get('Pod', `${pod.namespace}/${pod.name}`)
  }
}
