import type { NftWriter } from '#linux/nft.ts'
import { openNftOwner } from '#linux/nft-owner.ts'
import { familyOf, type IpAddress, type IpFamily, ipFamilies } from '#net/ip.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import type { LossSink } from '#runtime/loss.ts'
import { Trigger } from '#runtime/trigger.ts'
import {
  bindAddresses,
  restoreAddresses,
  unbindAddresses,
  watchAddresses,
} from './bound-addresses.ts'
import { renderEnd, renderRelease, renderRules } from './render.ts'

/** How often it is looked whether the server is ready, milliseconds. */
const READY_INTERVAL_MS = 100
/** How often it is looked without any sign of a loss, and rules are tried again that the kernel refused, milliseconds. */
const REPAIR_INTERVAL_MS = 10_000
/** What is taken away together is put back together, milliseconds. */
const SETTLE_MS = 100
/** Cleaning up must end when the kernel does not answer, milliseconds. */
const REMOVAL_TIMEOUT_MS = 5_000

export type NodeLocalOptions = {
  readonly addresses: readonly IpAddress[]
  readonly clock: Clock
  readonly onLoss?: LossSink | undefined
  readonly log: Logger
}

/**
 * Addresses of the cluster's DNS on this node: bound from {@link NodeLocal.bind} to disposal, caught by rules while
 * {@link catchQueries} runs. Without the rules the ordinary Service path has them, also after the process was killed.
 */
export class NodeLocal implements AsyncDisposable {
  readonly #options: NodeLocalOptions
  /** Who can have rules. */
  #owner: NftWriter | undefined
  #hasRules = false

  private constructor(options: NodeLocalOptions) {
    this.#options = options
  }

  /** Binds the addresses. @throws {NetlinkError} @throws {NftError} @throws {ExecError} */
  static async bind(options: NodeLocalOptions, signal: AbortSignal): Promise<NodeLocal> {
    await bindAddresses(options.addresses, signal)
    return new NodeLocal(options)
  }

  /**
   * Catches queries once the server is ready, until `signal` is aborted; then queries take the Service path, while the server may
   * answer what it has until disposal. Failure is logged and retried: the Service path answers meanwhile.
   * @throws {NftOwnerError}
   */
  async catchQueries(isReady: () => boolean, signal: AbortSignal): Promise<void> {
    const { clock, log, addresses } = this.#options
    const owner = await openNftOwner()
    this.#owner = owner
    const taken = new Trigger(clock)
    using _watch = watchAddresses(addresses, () => taken.fire())
    while (!signal.aborted) {
      if (isReady()) {
        try {
          await this.#restore(signal)
          if (!this.#hasRules) {
            await owner.apply(this.#rules(), signal)
            this.#hasRules = true
            log.info({ addresses }, 'catching queries on this node')
          }
        } catch (error) {
          log.warn({ reason: describeError(error) }, 'node-local DNS: trying again')
        }
      }
      const pauseMs = isReady() ? REPAIR_INTERVAL_MS : READY_INTERVAL_MS
      await taken.wait(pauseMs, signal).catch(() => undefined)
      if (isReady()) await clock.sleep(SETTLE_MS, signal).catch(() => undefined)
    }
    if (this.#hasRules) await this.#write(owner, renderRelease)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      using owner = this.#owner
      // Now, not when the context is freed: the addresses go next.
      if (this.#hasRules && owner !== undefined) await this.#write(owner, renderEnd)
    } finally {
      await unbindAddresses(AbortSignal.timeout(REMOVAL_TIMEOUT_MS))
    }
  }

  async #restore(signal: AbortSignal): Promise<void> {
    const { addresses, log, onLoss } = this.#options
    const restored = await restoreAddresses(addresses, signal)
    if (restored === 0) return
    onLoss?.({ what: `${restored} node-local addresses were taken away` })()
    log.warn({ restored }, 'node-local addresses were taken away; they are back')
  }

  #rules(): string {
    return ipFamilies
      .map(family => ({
        family,
        own: this.#options.addresses.filter(ip => familyOf(ip) === family),
      }))
      .map(({ family, own }) => (own.length > 0 ? renderRules(family, own) : ''))
      .join('')
  }

  async #write(owner: NftWriter, render: (family: IpFamily) => string): Promise<void> {
    const families = [...new Set(this.#options.addresses.map(familyOf))]
    const text = families.map(render).join('')
    await owner.apply(text, AbortSignal.timeout(REMOVAL_TIMEOUT_MS))
  }
}
