import assert from 'node:assert'
import { NftError, type NftWriter } from '#linux/nft.ts'
import type { NftTable } from '#linux/nft-listing.ts'
import type { IpFamily } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import type { Backend, ServiceStates } from '../backend.ts'
import { affinityMaps, rememberedIn, renderForgetting } from './affinity.ts'
import { type Changes, type Elements, isEmpty } from './element.ts'
import { type LayoutOptions, renderLayout } from './layout.ts'
import { NftPlan } from './plan.ts'
import { nothingRecovered, type Recovered } from './recover.ts'
import { balancedProtocols, chainRules, renderLater, renderNow, renderRemoval } from './render.ts'
import { type OwnNode, type PortRules, portRules } from './route.ts'
import type { Table } from './table.ts'

export type NftablesOptions = LayoutOptions & {
  readonly node: OwnNode
  readonly writer: NftWriter
  readonly list: (table: Table, signal: AbortSignal) => Promise<NftTable | undefined>
  /** The elements of one map of the table. */
  readonly listMap: (table: Table, map: string, signal: AbortSignal) => Promise<MapElements>
}

type MapElements = ReadonlyMap<string, string>

const FORGETTING_ATTEMPTS = 3

/**
 * Service rules as elements of one table, see README.md. The kernel is listed in {@link replace} only; otherwise it is
 * known from what was written. But who is remembered only the kernel knows.
 */
export class NftablesBackend implements Backend {
  readonly name = 'nftables'
  readonly #options: NftablesOptions
  #plan: NftPlan | undefined

  constructor(options: NftablesOptions) {
    this.#options = options
  }

  async replace(all: ServiceStates, signal: AbortSignal): Promise<void> {
    const { table, list } = this.#options
    this.#plan = undefined
    const layout = renderLayout(this.#options)
    const listed = await list(table, signal)
    const kernel = recover(table.family, listed, layout)
    const { plan, changes } = NftPlan.adopt(this.#rules(all), kernel ?? nothingRecovered)
    // Another layout: of other settings or another version. All is made anew in one transaction, so without a gap.
    const fresh = kernel === undefined ? renderRemoval(table) + layout.text : ''
    await this.#write(changes, signal, fresh)
    for (const protocol of balancedProtocols) {
      const maps = affinityMaps(table.family, protocol)
      const isAnyKnown = maps.some(({ name }) => listed?.elements.get(name)?.size)
      if (kernel !== undefined && isAnyKnown) await this.#forget(plan, protocol, signal)
    }
    this.#plan = plan
  }

  async update(changed: ServiceStates, signal: AbortSignal): Promise<void> {
    const plan = this.#plan
    assert(plan !== undefined, 'an update follows a successful call')
    // Until it is written nobody knows what the kernel holds.
    this.#plan = undefined
    const changes = plan.update(this.#rules(changed))
    await this.#write(changes, signal)
    for (const protocol of changes.forgetful) await this.#forget(plan, protocol, signal)
    this.#plan = plan
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.writer[Symbol.dispose]()
  }

  #rules(states: ServiceStates): ReadonlyMap<string, readonly PortRules[]> {
    const rules = new Map<string, readonly PortRules[]>()
    for (const [service, ports] of states) {
      rules.set(
        service,
        ports.map(port => portRules(port, this.#options.node)),
      )
    }
    return rules
  }

  async #write(changes: Changes, signal: AbortSignal, first = ''): Promise<void> {
    const { table, writer } = this.#options
    if (first === '' && isEmpty(changes)) return
    const texts = [first + renderNow(table, changes), renderLater(table, changes)]
    for (const text of texts) if (text !== '') await writer.apply(text, signal)
  }

  /**
   * Makes clients forget endpoints that their routes no longer have, in transactions of their own: one is refused when a
   * client has got another endpoint since the listing.
   */
  async #forget(plan: NftPlan, protocol: Protocol, signal: AbortSignal): Promise<void> {
    const { table, writer, listMap } = this.#options
    const maps = affinityMaps(table.family, protocol)
    for (let attempt = 1; ; attempt++) {
      const listings = maps.map(({ name }) => listMap(table, name, signal))
      const clients = plan.outdated(protocol, rememberedIn(await Promise.all(listings)))
      try {
        for (const text of renderForgetting(table, protocol, clients)) {
          await writer.apply(text, signal)
        }
        return
      } catch (error) {
        if (!(error instanceof NftError) || attempt === FORGETTING_ATTEMPTS) throw error
      }
    }
  }
}

/** What can be kept of a table: nothing unless its fixed part is what this layout made and nobody has flushed it. */
export function recover(
  family: IpFamily,
  table: NftTable | undefined,
  layout: { readonly marker: string; readonly rules: ReadonlyMap<string, number> },
): Recovered | undefined {
  if (table === undefined || !table.chains.has(layout.marker)) return undefined
  for (const [chain, rules] of layout.rules) {
    if (table.chains.get(chain) !== rules) return undefined
  }
  const chains = new Set<string>()
  for (const [chain, rules] of table.chains) {
    const wanted = chainRules(family, chain).length
    if (wanted === 0) continue
    if (rules !== wanted) return undefined
    chains.add(chain)
  }
  return { elements: table.elements as Elements, chains }
}
