import { keyOf, type Pod } from '#cluster/objects.ts'
import type { Feed, StoreReader } from '#cluster/store.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { MultiMap } from '../zone/multi-map.ts'

/** Knows which of this node's Pods has an address now. */
export interface PodsByAddress {
  /** The Pod that sends from this address; undefined when that is not certain. */
  podAt(address: IpAddress): Pod | undefined
}

/**
 * The Pods of one node by the addresses that their status names. The status follows the node's network with a delay, so a Pod
 * that is about to go counts no more: its address may have another owner already. Pods on the host's network have none of
 * their own, and an address of several Pods is nobody's.
 */
export class StoredPods implements PodsByAddress, Disposable {
  readonly #feed: Feed
  readonly #nodeName: string
  readonly #counted = new Map<string, Pod>()
  readonly #byIp = new MultiMap<IpAddress, Pod>()

  /** @param store has, or will have, the node's Pods; others in it are passed over. */
  constructor(store: StoreReader, nodeName: string) {
    this.#feed = store.feed(['Pod'])
    this.#nodeName = nodeName
  }

  podAt(address: IpAddress): Pod | undefined {
    this.#catchUp()
    const pods = this.#byIp.get(address)
    return pods.length === 1 ? pods[0] : undefined
  }

  [Symbol.dispose](): void {
    this.#feed[Symbol.dispose]()
  }

  /** What changed since the last question: the feed holds one entry an object, however long nobody asks. */
  #catchUp(): void {
    for (const { key, after } of this.#feed.take()?.changes ?? []) {
      this.#remove(key)
      if (after?.kind === 'Pod' && this.#counts(after)) this.#add(after)
    }
  }

  #counts({ nodeName, hostNetwork, deleting, phase }: Pod): boolean {
    const isAlive = phase === 'Pending' || phase === 'Running'
    return nodeName === this.#nodeName && !hostNetwork && !deleting && isAlive
  }

  #add(pod: Pod): void {
    this.#counted.set(keyOf(pod), pod)
    for (const ip of addressesOf(pod)) this.#byIp.add(ip, pod)
  }

  #remove(key: string): void {
    const pod = this.#counted.get(key)
    if (pod === undefined) return
    this.#counted.delete(key)
    for (const ip of addressesOf(pod)) this.#byIp.delete(ip, pod)
  }
}

const addressesOf = ({ podIPs }: Pod): readonly IpAddress[] =>
  podIPs.map(parseIp).filter(ip => ip !== undefined)
