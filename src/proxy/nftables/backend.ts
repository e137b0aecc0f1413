import assert from 'node:assert'
import type { NftWriter } from '#linux/nft.ts'
import type { NftTable } from '#linux/nft-listing.ts'
import type { Backend, ServiceStates } from '../backend.ts'
import { type Changes, type Elements, isEmpty } from './element.ts'
import { type LayoutOptions, renderLayout } from './layout.ts'
import { parseBalancerChain } from './name.ts'
import { NftPlan } from './plan.ts'
import { nothingRecovered, type Recovered } from './recover.ts'
import { balancedProtocols, renderLater, renderNow, renderRemoval, type Table } from './render.ts'
import { type Route, routesOf } from './route.ts'

export type NftablesOptions = LayoutOptions & {
  readonly nodeName: string
  readonly writer: NftWriter
  readonly list: (table: Table, signal: AbortSignal) => Promise<NftTable | undefined>
}

/**
 * Service rules as elements of one table, see README.md. The kernel is listed in {@link replace} only; otherwise it is
 * known from what was written.
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
    const kernel = recover(await list(table, signal), layout)
    const { plan, changes } = NftPlan.adopt(this.#routes(all), kernel ?? nothingRecovered)
    // Another layout: of other settings or another version. All is made anew in one transaction, so without a gap.
    const fresh = kernel === undefined ? renderRemoval(table) + layout.text : ''
    await this.#write(changes, signal, fresh)
    this.#plan = plan
  }

  async update(changed: ServiceStates, signal: AbortSignal): Promise<void> {
    const plan = this.#plan
    assert(plan !== undefined, 'an update follows a successful call')
    // Until it is written nobody knows what the kernel holds.
    this.#plan = undefined
    await this.#write(plan.update(this.#routes(changed)), signal)
    this.#plan = plan
  }

  #routes(states: ServiceStates): ReadonlyMap<string, readonly Route[]> {
    const { nodeName } = this.#options
    const routes = new Map<string, readonly Route[]>()
    for (const [service, ports] of states) {
      routes.set(
        service,
        ports.flatMap(port => routesOf(port, nodeName)),
      )
    }
    return routes
  }

  async #write(changes: Changes, signal: AbortSignal, first = ''): Promise<void> {
    const { table, writer } = this.#options
    if (first === '' && isEmpty(changes)) return
    const texts = [first + renderNow(table, changes), renderLater(table, changes)]
    for (const text of texts) if (text !== '') await writer.apply(text, signal)
  }
}

/** What can be kept of a table: nothing unless its fixed part is what this layout made and nobody has flushed it. */
function recover(
  table: NftTable | undefined,
  layout: { readonly marker: string; readonly rules: ReadonlyMap<string, number> },
): Recovered | undefined {
  if (table === undefined || !table.chains.has(layout.marker)) return undefined
  for (const [chain, rules] of layout.rules) {
    if (table.chains.get(chain) !== rules) return undefined
  }
  const balancers = new Set<number>()
  for (const [chain, rules] of table.chains) {
    const count = parseBalancerChain(chain)
    if (count === undefined) continue
    if (rules !== balancedProtocols.length) return undefined
    balancers.add(count)
  }
  return { elements: table.elements as Elements, balancers }
}
