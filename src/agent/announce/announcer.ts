import type { Connection } from '#cluster/open-source.ts'
import type { StoreReader } from '#cluster/store.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError } from '#runtime/error.ts'
import type { Logger } from '#runtime/log.ts'
import { type CniInstallConfig, installCni } from './install-cni.ts'

export type AnnounceConfig = {
  /** undefined: somebody else installs the plugins. */
  readonly install: CniInstallConfig | undefined
  /** The taint that the node has until it is ready; undefined: none. */
  readonly readyTaint: string | undefined
}

export type AnnouncerOptions = AnnounceConfig & {
  readonly nodeName: string
  readonly connection: Connection
  /** Has the own Node. */
  readonly store: StoreReader
  /** Why the node is not ready; undefined when it is. */
  readonly whyNotReady: () => string | undefined
  readonly clock: Clock
  readonly log: Logger
}

/** How often it is looked whether the node is ready, and later whether the taint is back. */
const LOOK_MS = 100
const TAINT_LOOK_MS = 1_000
/** After a failure. */
const AGAIN_MS = 5_000

/**
 * Tells others that the node is ready, once it is: first the container runtime, by the network configuration, then the scheduler, by
 * taking the taint away. What was told by an earlier run stays told.
 */
export class Announcer {
  readonly #options: AnnouncerOptions
  #whyNot: string | undefined

  constructor(options: AnnouncerOptions) {
    this.#options = options
    this.#whyNot = options.install && 'the network configuration is not written yet'
  }

  /** Why the runtime cannot use the plugins yet. */
  whyNot(): string | undefined {
    return this.#whyNot
  }

  /** Until the signal is aborted. Failure is logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const { install, readyTaint } = this.#options
    if (install !== undefined) await this.#install(install, signal)
    await this.#untilReady(signal)
    if (readyTaint !== undefined) await this.#keepOff(readyTaint, signal)
  }

  async #install(config: CniInstallConfig, signal: AbortSignal): Promise<void> {
    const { clock, log, store, nodeName } = this.#options
    for (;;) {
      try {
        const untilReady = () => this.#untilReady(signal)
        await installCni(config, { store, nodeName, clock, log, untilReady }, signal)
        this.#whyNot = undefined
        return
      } catch (error) {
        signal.throwIfAborted()
        const reason = `the network configuration is not written: ${describeError(error)}`
        if (reason !== this.#whyNot) log.error({ reason }, 'CNI is not installed; trying again')
        this.#whyNot = reason
        await clock.sleep(AGAIN_MS, signal)
      }
    }
  }

  async #untilReady(signal: AbortSignal): Promise<void> {
    const { clock, whyNotReady } = this.#options
    while (whyNotReady() !== undefined) await clock.sleep(LOOK_MS, signal)
  }

  /** Whenever the Node has the taint while it is ready: a Node that is made anew has it again. */
  async #keepOff(taint: string, signal: AbortSignal): Promise<void> {
    const { clock, log, nodeName, store, connection, whyNotReady } = this.#options
    const { openNodeTaints } = await import('#cluster/api/node-taint.ts')
    using taints = await openNodeTaints(connection, clock)
    let said = ''
    for (;;) {
      const isThere = store.get('Node', nodeName)?.taints.some(({ key }) => key === taint)
      let pauseMs = TAINT_LOOK_MS
      if (isThere === true && whyNotReady() === undefined) {
        try {
          if (await taints.remove(nodeName, taint, signal)) log.info({ taint }, 'taint removed')
          said = ''
        } catch (error) {
          signal.throwIfAborted()
          const reason = describeError(error)
          if (reason !== said) log.warn({ taint, reason }, 'the taint stays; trying again')
          said = reason
          pauseMs = AGAIN_MS
        }
      }
      await clock.sleep(pauseMs, signal)
    }
  }
}
