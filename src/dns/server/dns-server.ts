import { networkInterfaces } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { systemClock } from '#runtime/clock.ts'
import { describeError, formatProblem } from '#runtime/error.ts'
import { withInEveryBlock } from '../corefile/every-block.ts'
import { FastPath } from '../fast/fast-path.ts'
import { HttpPool } from '../http-sites.ts'
import type { Question } from '../message.ts'
import type { CachedAnswers, Exchange } from '../plugin.ts'
import { AskedMost } from '../top/asked-most.ts'
import { answerPacket } from './answer.ts'
import { type Explained, type Explanation, explain } from './explain.ts'
import { WorkerBudget } from './fast-path-workers.ts'
import { Generation } from './generation.ts'
import type { PacketHandler, PacketOrigin } from './listener.ts'
import { ListenerPool } from './listeners.ts'
import { exchangeMetrics, httpResponses, panicsMetric, reloadFailures } from './metrics.ts'
import type { DnsServerOptions } from './options.ts'
import { type ReadCorefile, readCorefile } from './read-corefile.ts'
import { type ClusterPlace, clusterPlaceOf, servedPlaces } from './served.ts'

/** Memory for ready answers of the fast path, octets: some 15 000 names. It is taken as it is filled. */
const FAST_PATH_OCTETS = 4 * 1024 * 1024

/** How often what the workers of the fast path answered is counted, for what is asked most of late, milliseconds. */
const COUNT_INTERVAL_MS = 10_000

/** A DNS server that serves a Corefile. */
export class DnsServer implements AsyncDisposable {
  readonly #options: DnsServerOptions
  readonly #listeners: ListenerPool
  readonly #fastPath: FastPath | undefined
  readonly #askedMost = new AskedMost(systemClock)
  #counting: NodeJS.Timeout | undefined
  readonly #http = new HttpPool()
  readonly #ended = Promise.withResolvers<void>()
  #generation: Generation | undefined
  /** Reloads and the stop, one after the other. */
  #queue: Promise<unknown> = Promise.resolve()
  #stopping: Promise<void> | undefined
  #saidFallback = false

  private constructor(options: DnsServerOptions) {
    this.#options = options
    const { fastPathWorkers: workers = 0, metrics } = options
    if (workers > 0) {
      const tally = this.#askedMost
      this.#fastPath = new FastPath({ maxOctets: FAST_PATH_OCTETS, metrics, tally })
      this.#counting = setInterval(() => void this.#fastPath?.countAll(), COUNT_INTERVAL_MS).unref()
    }
    const countHttp = httpResponses(metrics)
    this.#listeners = new ListenerPool({
      handlerOf: key => this.#packetHandler(key),
      onHttpStatus: (server, status) => countHttp.inc({ server, status: `${status}` }),
      fast: this.#fastPath && {
        fastPath: this.#fastPath,
        workers,
        budget: new WorkerBudget(),
        onFallback: error => this.#reportFallback(error),
      },
    })
    // Whoever does not wait for the end need not hear of it.
    this.#ended.promise.catch(() => undefined)
  }

  /**
   * Sets up the Corefile, opens its listeners and starts its plugins.
   * @throws {ConfigError} it cannot be used. @throws the system error of a failed bind.
   */
  static async start(options: DnsServerOptions): Promise<DnsServer> {
    // The counter is there from the start, for alerts on its growth.
    panicsMetric(options.metrics)
    const server = new DnsServer(options)
    try {
      await server.#serve(await server.#read())
      return server
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  /** Settles when the server has stopped; rejects when a plugin ended it (`loop` found one). */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** See {@link servedPlaces}. */
  get served(): readonly string[] {
    return servedPlaces(this.#generation?.plan ?? { blocks: [] })
  }

  /** The names that were asked for most in the last minutes, and who asked most. */
  async askedMost(): Promise<Pick<AskedMost, 'names' | 'clients'>> {
    await this.#fastPath?.countAll()
    return this.#askedMost
  }

  /** How a question would be answered; undefined when nothing is served. Never rejects. */
  async explain(explained: Explained): Promise<Explanation | undefined> {
    return this.#generation && explain(explained, this.#generation)
  }

  /** Every cache of every server block, in the order of the Corefile. */
  get caches(): readonly CachedAnswers[] {
    return (this.#generation?.plugins ?? []).flatMap(({ cached }) => cached ?? [])
  }

  /** See {@link clusterPlaceOf}. */
  get clusterPlace(): ClusterPlace | undefined {
    return this.#generation && clusterPlaceOf(this.#generation)
  }

  /** Can every plugin of every block answer now? */
  isReady(): boolean {
    const plugins = this.#generation?.plugins ?? []
    return this.#generation !== undefined && plugins.every(plugin => plugin.isReady?.() ?? true)
  }

  /**
   * Reads the Corefile again and serves it. When that fails, the former configuration goes on serving; the failure is logged and
   * counted.
   * @returns whether the new one serves.
   */
  reload(): Promise<boolean> {
    return this.#enqueue(() => this.#reload())
  }

  /** Ends the server: what takes time to say goodbye is heard, queries that were taken are answered. */
  stop(): Promise<void> {
    this.#stopping ??= this.#enqueue(() => this.#stop()).finally(() => this.#ended.resolve())
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => undefined)
    return result
  }

  async #stop(): Promise<void> {
    clearInterval(this.#counting)
    const generation = this.#generation
    await Promise.all((generation?.plugins ?? []).map(async plugin => plugin.shutdown?.()))
    this.#listeners.stopTaking()
    await generation?.stop()
    this.#generation = undefined
    // The last answers are still on their way to the sockets.
    await setImmediate()
    await this.#listeners[Symbol.asyncDispose]()
    await this.#http[Symbol.asyncDispose]()
  }

  async #reload(): Promise<boolean> {
    if (this.#stopping !== undefined) return false
    const { log, metrics } = this.#options
    try {
      await this.#serve(await this.#read())
      log.info('Corefile reloaded')
      return true
    } catch (error) {
      reloadFailures(metrics).inc()
      log.error(
        { problem: describeError(error) },
        'reload failed, the former Corefile stays in use',
      )
      return false
    }
  }

  async #read(): Promise<ReadCorefile> {
    const { corefile: source, env, podsPolicy = false } = this.#options
    const read = await readCorefile(source, env)
    return podsPolicy ? { ...read, corefile: withInEveryBlock(read.corefile, 'pods_policy') } : read
  }

  async #serve({ corefile, directory, hash, version }: ReadCorefile): Promise<void> {
    const { cluster, log, metrics, lines, defaultPort = 53 } = this.#options
    for (const warning of corefile.warnings) {
      log.warn({ problem: formatProblem(warning) }, 'odd Corefile')
    }
    const lease = cluster.lease?.()
    const next = await Generation.build(corefile, {
      defaultPort,
      interfaces: networkInterfaces(),
      release: () => lease?.[Symbol.dispose](),
      context: {
        directory,
        log,
        metrics,
        lines,
        cluster: lease ?? cluster,
        corefile: {
          hash: typeof this.#options.corefile === 'string' ? hash : undefined,
          reloadIfChanged: () => this.#reloadIfChanged(version),
        },
        fail: error => void this.#fail(error),
      },
    })
    try {
      await this.#listeners.open(next.plan.listeners)
      await this.#http.open(next.sites)
    } catch (error) {
      await next.stop()
      await this.#listeners.keepOnly(this.#generation?.plan.listeners ?? new Map())
      throw error
    }
    await this.#switchTo(next)
  }

  async #switchTo(next: Generation): Promise<void> {
    const former = this.#generation
    this.#generation = next
    this.#fastPath?.clear()
    await this.#http.switchTo(next.sites)
    await next.start()
    await this.#listeners.keepOnly(next.plan.listeners)
    await former?.stop()
  }

  async #reloadIfChanged(former: string): Promise<void> {
    const version = await this.#read().then(
      read => read.version,
      // Whatever is wrong with it, it changed: reload says so.
      () => undefined,
    )
    if (version !== former) await this.reload()
  }

  async #fail(error: Error): Promise<void> {
    this.#ended.reject(error)
    await this.stop()
  }

  /** @param server the key of the listener. */
  #packetHandler(server: string): PacketHandler {
    return async (packet, origin) => {
      const generation = this.#generation
      if (generation === undefined) return undefined
      try {
        return await answerPacket(packet, this.#mindful(origin, generation), {
          server,
          takesAnyClass: generation.takesAnyClass(server),
          route: query => generation.route(server, query),
          inFlight: generation.inFlight,
          tally: this.#askedMost,
          onDropped: exchange => this.#recordDropped(exchange),
          onCrash: (error, { question }) => this.#reportCrash(error, question),
        })
      } catch (error) {
        // Nothing known leads here; whatever does must not end the process.
        this.#reportCrash(error)
        return undefined
      }
    }
  }

  /** What a former configuration answers must not outlive it. */
  #mindful(origin: PacketOrigin, generation: Generation): PacketOrigin {
    const { onAnswered } = origin
    if (onAnswered === undefined) return origin
    return {
      ...origin,
      onAnswered: answered => {
        if (generation === this.#generation) onAnswered(answered)
      },
    }
  }

  #reportFallback(error: unknown): void {
    if (this.#saidFallback) return
    this.#saidFallback = true
    const problem = describeError(error)
    this.#options.log.warn({ problem }, 'no fast path for DNS over UDP, answering without it')
  }

  #reportCrash(error: unknown, question?: Question): void {
    const { log, metrics } = this.#options
    panicsMetric(metrics).inc()
    log.error({ err: error, question }, 'a query met a fault of the program')
  }

  /** Queries that no block takes are counted when any block counts. */
  #recordDropped(exchange: Exchange): void {
    const counts = this.#generation?.plugins.some(({ name }) => name === 'prometheus') ?? false
    if (counts) exchangeMetrics(this.#options.metrics)(exchange)
  }
}
