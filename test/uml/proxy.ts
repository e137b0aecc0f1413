import type { ClusterObject, Kind } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import type { IpFamily } from '#net/ip.ts'
import { createLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { runProxy } from '../../src/proxy/main.ts'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { eventually } from '../helper/eventually.ts'

/** Only bounds a failure: a busy machine is slow, and user-mode Linux on it more so. */
const LIMIT_MS = 120_000

/** The service proxy in this process. */
export class RunningProxy implements AsyncDisposable {
  readonly metrics = createMetrics()
  readonly #store = new Store()
  readonly #families: readonly IpFamily[]
  readonly #stop = new AbortController()
  readonly #programmed = new Map<IpFamily, number>()
  /** Of the store: each change counts one. */
  #revision = 0
  readonly #end: Promise<void>
  #syncs = 0

  private constructor(settings: ProxySettings, log: Awaited<ReturnType<typeof createLogger>>) {
    this.#families = settings.families
    this.#end = runProxy(
      {
        store: this.#store,
        settings,
        log,
        metrics: this.metrics,
        onProgrammed: ({ family, revision }) => {
          this.#programmed.set(family, revision)
          this.#syncs++
        },
      },
      this.#stop.signal,
    )
  }

  /** Returns when these objects are in the kernel. */
  static async start(
    settings: ProxySettings,
    objects: readonly ClusterObject[],
  ): Promise<RunningProxy> {
    const proxy = new RunningProxy(settings, await createLogger('error', false))
    for (const object of objects) proxy.#set(object)
    proxy.#store.replaceAll('Service', [...proxy.#store.list('Service')])
    proxy.#store.replaceAll('EndpointSlice', [...proxy.#store.list('EndpointSlice')])
    await proxy.#isProgrammed()
    return proxy
  }

  /** Returns when these objects, which differ from what is there, are in the kernel. */
  async set(...objects: readonly ClusterObject[]): Promise<void> {
    for (const object of objects) this.#set(object)
    await this.#isProgrammed()
  }

  async delete(kind: Kind, key: string): Promise<void> {
    this.#store.delete(kind, key)
    this.#revision++
    await this.#isProgrammed()
  }

  /** Returns when `holds` is true; it is asked again after each sync, for asking takes programs. */
  async until(holds: () => Promise<boolean>): Promise<void> {
    for (;;) {
      const syncs = this.#syncs
      if (await holds()) return
      await eventually('another sync', () => this.#syncs > syncs, LIMIT_MS)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#end
  }

  #set(object: ClusterObject): void {
    this.#store.set(object.kind, object)
    this.#revision++
  }

  async #isProgrammed(): Promise<void> {
    const programmed = eventually(
      'the kernel to be programmed',
      () => this.#families.every(family => (this.#programmed.get(family) ?? -1) >= this.#revision),
      LIMIT_MS,
    )
    // An early end tells why.
    await Promise.race([programmed, this.#end])
  }
}
