import type { EventSink } from '#cluster/events.ts'
import type { IpAddress, IpFamily } from '#net/ip.ts'
import type { Backoff } from '#runtime/backoff.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError, NodeplaneError } from '#runtime/error.ts'
import { type HttpServer, startHttpServer } from '#runtime/http-server.ts'
import type { Logger } from '#runtime/log.ts'
import type { ChangeTracker } from '../change-tracker.ts'
import { type HealthCheck, healthCheckChanges, renderHealthCheck } from './plan.ts'

/** There is nowhere to listen. */
class NoAddressError extends NodeplaneError {
  readonly code = 'ERR_NO_ADDRESS'
  constructor() {
    super('this machine has no address that nodePortAddresses selects; add one there, or to a link')
  }
}

export type HealthCheckOptions = {
  readonly family: IpFamily
  readonly tracker: Pick<ChangeTracker, 'healthCheckOf'>
  /** Where to listen: `0.0.0.0`, `::`, or addresses of this machine; none is a failure. */
  readonly hosts: () => readonly IpAddress[]
  /** Does the proxy keep up with the cluster? If not, no node should get traffic by it. */
  readonly isHealthy: () => boolean
  readonly onEvent: EventSink
  readonly log: Logger
  readonly clock: Clock
  /** Waits after ports could not be opened. */
  readonly backoff: Backoff
}

type Opened = { readonly port: number; readonly servers: AsyncDisposableStack }

/**
 * The servers that load balancers ask whether this node has endpoints of a Service (`healthCheckNodePort`), of one
 * family. They follow the rules: a count is told when the rules are in the kernel. A port that is taken, or that has no
 * address to listen on, is told in an Event and tried again (kube-proxy tries it with the next sync).
 */
export class HealthCheckServers {
  readonly #options: HealthCheckOptions
  readonly #wanted = new Map<string, HealthCheck>()
  readonly #open = new Map<string, Opened>()
  /** Services whose port could not be opened, to be told once. */
  readonly #refused = new Set<string>()
  #willRetry = false
  #due = Promise.withResolvers<void>()

  constructor(options: HealthCheckOptions) {
    this.#options = options
  }

  /** The rules are as the tracker is now, and these Services have changed. Counts hold at once, ports follow. */
  note(changed: Iterable<string>): void {
    for (const service of changed) {
      const check = this.#options.tracker.healthCheckOf(service)
      const before = this.#wanted.get(service)
      if (check === undefined) this.#wanted.delete(service)
      else this.#wanted.set(service, check)
      if (before?.port !== check?.port) this.#due.resolve()
    }
  }

  /** Opens and closes ports as they are wanted until the signal is aborted, then closes all. */
  async run(signal: AbortSignal): Promise<void> {
    const { backoff } = this.#options
    signal.addEventListener('abort', () => this.#due.resolve(), { once: true })
    while (!signal.aborted) {
      await this.#due.promise
      this.#due = Promise.withResolvers()
      if (signal.aborted) break
      if (await this.#reconcile()) backoff.reset()
      else this.#retryLater(signal)
    }
    for (const service of this.#open.keys()) await this.#close(service)
  }

  /** Beside the waiting, so that changes of other Services are not held up. */
  #retryLater(signal: AbortSignal): void {
    const { clock, backoff } = this.#options
    if (this.#willRetry) return
    this.#willRetry = true
    const retry = () => {
      this.#willRetry = false
      this.#due.resolve()
    }
    void clock.sleep(backoff.next(), signal).then(retry, () => {})
  }

  /** False when a port could not be opened. */
  async #reconcile(): Promise<boolean> {
    const { close, open } = healthCheckChanges(this.#open, this.#wanted)
    for (const service of close) await this.#close(service)
    let isDone = true
    for (const [service, port] of open) isDone = (await this.#tryOpen(service, port)) && isDone
    for (const service of this.#refused) {
      if (!this.#wanted.has(service)) this.#refused.delete(service)
    }
    return isDone
  }

  async #tryOpen(service: string, port: number): Promise<boolean> {
    const { log, onEvent } = this.#options
    try {
      this.#open.set(service, { port, servers: await this.#listen(service, port) })
      this.#refused.delete(service)
      log.debug({ service, port }, 'health check opened')
      return true
    } catch (error) {
      if (this.#refused.has(service)) return false
      this.#refused.add(service)
      const reason = describeError(error)
      log.warn({ service, port, reason }, 'cannot open health check')
      const [namespace = '', name = ''] = service.split('/', 2)
      onEvent({
        regarding: { kind: 'Service', namespace, name },
        type: 'Warning',
        reason: 'FailedToStartServiceHealthcheck',
        action: 'Listen',
        note: `port ${port}: ${reason}`,
      })
      return false
    }
  }

  /** On all hosts or on none. */
  async #listen(service: string, port: number): Promise<AsyncDisposableStack> {
    const { hosts, family } = this.#options
    await using opened = new AsyncDisposableStack()
    const selected = hosts()
    if (selected.length === 0) throw new NoAddressError()
    for (const host of selected) {
      const place = { host, port, ipv6Only: family === 6 }
      opened.use<HttpServer>(await startHttpServer(place, () => this.#answer(service)))
    }
    return opened.move()
  }

  #answer(service: string) {
    const { localEndpoints } = this.#wanted.get(service) ?? { localEndpoints: 0 }
    return renderHealthCheck(service, { localEndpoints, isProxyHealthy: this.#options.isHealthy() })
  }

  async #close(service: string): Promise<void> {
    await this.#open.get(service)?.servers.disposeAsync()
    this.#open.delete(service)
    this.#options.log.debug({ service }, 'health check closed')
  }
}
