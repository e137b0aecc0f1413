import type { IpAddress } from '#net/ip.ts'
import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import type { ServerBlock } from '../corefile/directive.ts'
import type { Corefile } from '../corefile/parser.ts'
import { HttpSiteList } from '../http-sites.ts'
import type { Query } from '../message.ts'
import { reply } from '../message.ts'
import type { Handler, Plugin, SetupContext } from '../plugin.ts'
import { bindAddresses, type Interfaces } from '../plugins/bind/plugin.ts'
import { loadBlockTls, type TlsSettings } from '../plugins/tls/plugin.ts'
import type { ServingBlock } from './answer.ts'
import { InFlight } from './in-flight.ts'
import { listenerKey, type PlannedBlock, planServers, type ServerPlan } from './plan.ts'
import { type Route, routeQuery } from './router.ts'
import { setupBlock, stopPlugins, takesAnyClass } from './setup.ts'

/** What plugins get that does not depend on their block. */
export type SharedContext = Omit<
  SetupContext,
  'zones' | 'server' | 'view' | 'lookup' | 'allPlugins' | 'blocks' | 'http'
>

type BuildOptions = {
  readonly defaultPort: number
  readonly interfaces: Interfaces
  readonly context: SharedContext
  /** Called when the generation is stopped, last. */
  readonly release: () => void
}

/** Queries answered at one time. Each may hold a few KiB. */
const MAX_IN_FLIGHT = 16_384
const DRAIN_MS = 5_000

/** One configuration in use: every block set up, and who answers for what on which listener. */
export class Generation {
  readonly plan: ServerPlan
  readonly sites: HttpSiteList
  readonly blocks: readonly (ServingBlock & { readonly zones: readonly string[] })[]
  /** Its queries are answered by it to the end, also when another one takes its place. */
  readonly inFlight = new InFlight(MAX_IN_FLIGHT)
  readonly #release: () => void
  /** By the key of the listener. */
  readonly #zones: ReadonlyMap<string, ReadonlyMap<string, readonly ServingBlock[]>>
  /** Keys of the listeners that take every class. */
  readonly #anyClass: ReadonlySet<string>

  private constructor(parts: {
    plan: ServerPlan
    sites: HttpSiteList
    blocks: Generation['blocks']
    release: () => void
  }) {
    this.plan = parts.plan
    this.sites = parts.sites
    this.blocks = parts.blocks
    this.#release = parts.release
    this.#zones = new Map(
      [...parts.plan.listeners].map(([key, { zones }]) => [
        key,
        new Map(
          [...zones].map(([zone, indices]) => [
            zone,
            indices.map(index => parts.blocks[index] as ServingBlock),
          ]),
        ),
      ]),
    )
    this.#anyClass = new Set(
      [...parts.plan.listeners]
        .filter(([, { zones }]) =>
          [...zones.values()].flat().some(index => blockTakesAnyClass(parts.plan, index)),
        )
        .map(([key]) => key),
    )
  }

  /**
   * Sets up a Corefile. Nothing is opened or started.
   * @throws {ConfigError} with the problems of all blocks; what was set up is stopped again.
   */
  static async build(corefile: Corefile, options: BuildOptions): Promise<Generation> {
    const { defaultPort, interfaces, context, release } = options
    const problems: ConfigProblem[] = []
    const binds = new Map<ServerBlock, readonly IpAddress[]>()
    const certificates = new Map<ServerBlock, TlsSettings>()
    for (const block of corefile.blocks) {
      const bind = await collect(problems, () => bindAddresses(block.directives, interfaces))
      binds.set(block, bind ?? [])
      const tls = await collect(problems, () => loadBlockTls(block.directives, context.directory))
      if (tls !== undefined) certificates.set(block, tls)
    }
    const plan = planServers(corefile.blocks, {
      defaultPort,
      bindOf: block => binds.get(block) ?? [],
      tlsOf: block => certificates.get(block),
    })
    problems.push(...plan.problems)
    const sites = new HttpSiteList()
    const blocks: Generation['blocks'][number][] = []
    // Where views choose by client, an answer given to one may not be given to the next.
    const hasViews = plan.blocks.some(({ view }) => view !== '')
    const built = Promise.withResolvers<Generation>()
    // Only a query that finds no configuration can fail here, and the error goes to whoever looks something up.
    built.promise.catch(() => undefined)
    try {
      for (const planned of plan.blocks) {
        const { zones, server } = identityOf(planned)
        const setup = await collect(problems, () =>
          setupBlock(planned.block.directives, {
            ...context,
            zones,
            server,
            view: planned.view,
            http: sites,
            lookup: async (query, signal) => (await built.promise).lookup(server, query, signal),
            allPlugins: () => blocks.flatMap(({ plugins }) => plugins),
            blocks: () => blocks,
          }),
        )
        if (setup === undefined) continue
        const fastPath = setup.fastPath && !hasViews
        blocks.push({ zones, view: planned.view, ...setup, fastPath })
      }
      if (problems.length > 0) throw new ConfigError(problems)
    } catch (error) {
      await stopPlugins(blocks.flatMap(({ plugins }) => plugins))
      release()
      throw error
    }
    const generation = new Generation({ plan, sites, blocks, release })
    built.resolve(generation)
    return generation
  }

  get plugins(): readonly Plugin[] {
    return this.blocks.flatMap(({ plugins }) => plugins)
  }

  /** Who answers a query that came to this listener. */
  route(key: string, query: Query): Route<ServingBlock> | undefined {
    return routeQuery(this.#zones.get(key) ?? NO_ZONES, query.question, block =>
      takes(block, query),
    )
  }

  /** Are classes other than IN taken on this listener? */
  takesAnyClass(key: string): boolean {
    return this.#anyClass.has(key)
  }

  /** Answers a query that a plugin asks. */
  lookup(key: string, query: Query, signal: AbortSignal): ReturnType<Handler> {
    const handler = this.route(key, query)?.block.handler
    return handler === undefined ? reply({ rcode: 'REFUSED' }) : handler(query, signal)
  }

  async start(): Promise<void> {
    for (const plugin of this.plugins) await plugin.start?.()
  }

  /** Waits for the queries that are being answered, up to 5 s as CoreDNS does, and stops the plugins. */
  async stop(): Promise<void> {
    await this.inFlight.drain(DRAIN_MS)
    await stopPlugins(this.plugins)
    this.#release()
  }
}

const NO_ZONES: ReadonlyMap<string, readonly ServingBlock[]> = new Map()

/** Do the views of the block, if it has any, take the query? */
const takes = ({ view, plugins }: ServingBlock, query: Query): boolean =>
  view === '' || plugins.every(plugin => plugin.filter?.(query) ?? true)

const blockTakesAnyClass = ({ blocks }: ServerPlan, index: number): boolean =>
  takesAnyClass(blocks[index]?.block.directives ?? [])

/** The zones of a block, and its first listener: its name in metrics, and where its look-ups start from. */
function identityOf({ keys, bind }: PlannedBlock): { zones: string[]; server: string } {
  const { scheme, port } = keys[0] ?? { scheme: 'dns', port: 0 }
  return {
    zones: [...new Set(keys.map(({ zone }) => zone))],
    server: listenerKey({ scheme, address: bind[0], port }),
  }
}

/** What `decide` gives, or undefined when it finds problems, which are collected. */
async function collect<T>(
  problems: ConfigProblem[],
  decide: () => T | Promise<T>,
): Promise<T | undefined> {
  try {
    return await decide()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
    return undefined
  }
}
