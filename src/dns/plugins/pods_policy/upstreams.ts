import type { IpAddress } from '#net/ip.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Query, Reply } from '../../message.ts'
import { Unanswered } from '../../unanswered.ts'
import { untilAborted } from '../../until-aborted.ts'
import type { ForwardMetrics } from '../forward/forward-metrics.ts'
import { Forwarder } from '../forward/forwarder.ts'
import { plainForward } from '../forward/options.ts'

/** Lists of nameservers that are kept. A node has a few hundred Pods, most of them with the same one. */
const MAX_LISTS = 256

/** After these a resolver asks its next nameserver (glibc, musl). */
const UNWANTED = new Set(['SERVFAIL', 'REFUSED', 'NOTIMP'])

/** The nameservers of Pods that do not use the cluster's: asked in their order, as a resolver does. */
export class Upstreams implements Disposable {
  readonly #surroundings: ConstructorParameters<typeof Forwarder>[1]
  readonly #port: number
  readonly #forwarders = new Map<string, Forwarder>()

  constructor(surroundings: { clock: Clock; metrics: ForwardMetrics; port: number }) {
    const { clock, metrics, port } = surroundings
    this.#surroundings = { clock, metrics, random: Math.random }
    this.#port = port
  }

  /** @throws {ForwardError} none answered. @throws {Unanswered} there is none. */
  ask(nameservers: readonly IpAddress[], query: Query, signal: AbortSignal): Promise<Reply> {
    if (nameservers.length === 0) {
      throw new Unanswered('SERVFAIL', 'neither the Pod nor the node has a nameserver')
    }
    return untilAborted(this.#forwarderTo(nameservers).ask(query), signal)
  }

  [Symbol.dispose](): void {
    for (const forwarder of this.#forwarders.values()) forwarder.close()
    this.#forwarders.clear()
  }

  /** The list used longest ago makes room; what it is asked right then fails, and is asked again by its client. */
  #forwarderTo(nameservers: readonly IpAddress[]): Forwarder {
    const key = nameservers.join(' ')
    const forwarder = this.#forwarders.get(key) ?? this.#open(nameservers)
    this.#forwarders.delete(key)
    this.#forwarders.set(key, forwarder)
    const [oldest] = this.#forwarders.keys()
    if (this.#forwarders.size > MAX_LISTS && oldest !== undefined) {
      this.#forwarders.get(oldest)?.close()
      this.#forwarders.delete(oldest)
    }
    return forwarder
  }

  #open(nameservers: readonly IpAddress[]): Forwarder {
    const upstreams = nameservers.map(
      address => ({ address, port: this.#port, protocol: 'dns' }) as const,
    )
    return new Forwarder(
      { ...plainForward(upstreams), policy: 'sequential', failover: UNWANTED },
      this.#surroundings,
    )
  }
}
