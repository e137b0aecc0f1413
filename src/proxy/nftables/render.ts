import type { IpFamily } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import { rememberingRules } from './affinity.ts'
import { inChunks } from './chunks.ts'
import {
  type Changes,
  containers,
  type Element,
  type ElementChange,
  endpointsOf,
} from './element.ts'
import { parseChain, protocolName } from './name.ts'
import { nftFamily, type Table, tableText } from './table.ts'

/** Protocols with a rule in each balancing chain, the most frequent first. */
export const balancedProtocols: readonly Protocol[] = ['TCP', 'UDP', 'SCTP']

/** Elements in one command. Errors name a command, so they stay readable; and no line grows without bound. */
const ELEMENTS_A_COMMAND = 500

/** The first of two transactions: new and changed elements, and deletions nothing can still be on the way to. */
export const renderNow = (table: Table, { chains, now }: Changes): string =>
  lines([...chains.flatMap(chain => renderChain(table, chain)), ...renderChanges(table, now)])

/** These chains and elements where there are none, in pieces. */
export function* renderAll(
  table: Table,
  chains: readonly string[],
  elements: Iterable<Element>,
): Generator<string> {
  yield lines(chains.flatMap(chain => renderChain(table, chain)))
  const waiting = new Map<string, string[]>()
  const add = (container: string, list: readonly string[]) =>
    lines(commands(`add element ${tableText(table)} ${container}`, list))
  for (const { container, key, value } of elements) {
    const list = waiting.get(container) ?? []
    waiting.set(container, list)
    if (list.push(element(key, value)) < ELEMENTS_A_COMMAND) continue
    yield add(container, list)
    list.length = 0
  }
  for (const [container, list] of waiting) yield add(container, list)
}

/** The second one: deletions of what packets may have been on the way to during the first. */
export const renderLater = (table: Table, { later, unusedChains }: Changes): string =>
  lines([
    ...renderChanges(table, later),
    ...unusedChains.map(chain => `delete chain ${tableText(table)} ${chain}`),
  ])

/** Deletes the table, also one that is not there (nft 1.0.6 has no `destroy`). */
export const renderRemoval = (table: Table): string =>
  lines([`add table ${tableText(table)}`, `delete table ${tableText(table)}`])

function renderChain(table: Table, name: string): readonly string[] {
  const chain = `${tableText(table)} ${name}`
  return [
    `add chain ${chain}`,
    ...chainRules(table.family, name).map(rule => `add rule ${chain} ${rule}`),
  ]
}

/** The rules of a chain made on demand; none for any other. */
export function chainRules(family: IpFamily, name: string): readonly string[] {
  const chain = parseChain(name)
  if (chain === undefined) return []
  const { kind, number } = chain
  return balancedProtocols.flatMap(protocol =>
    kind === 'lb'
      ? [balancingRule(family, protocol, number)]
      : rememberingRules({ family, protocol }, number),
  )
}

/** Sends a connection to one of `count` endpoints of its id, each as likely. */
const balancingRule = (family: IpFamily, protocol: Protocol, count: number): string =>
  // nft allows a map with ports only after a match of their protocol.
  `meta l4proto ${protocolName(protocol)} dnat ${nftFamily(family)} to meta priority . numgen random mod ${count} map @${endpointsOf(protocol)}`

function renderChanges(table: Table, changes: readonly ElementChange[]): readonly string[] {
  const byContainer = Map.groupBy(changes, ({ container }) => container)
  return containers.flatMap(container => {
    const own = byContainer.get(container) ?? []
    const gone = own.filter(({ before }) => before !== undefined).map(({ key }) => key)
    const added = own.flatMap(({ key, after }) =>
      after === undefined ? [] : [element(key, after)],
    )
    return [
      ...commands(`delete element ${tableText(table)} ${container}`, gone),
      ...commands(`add element ${tableText(table)} ${container}`, added),
    ]
  })
}

const element = (key: string, value: string): string => (value === '' ? key : `${key} : ${value}`)

const commands = (command: string, elements: readonly string[]): readonly string[] =>
  inChunks(elements, ELEMENTS_A_COMMAND)
    .map(some => `${command} { ${some.join(', ')} }`)
    .toArray()

const lines = (list: readonly string[]): string => list.map(line => `${line}\n`).join('')
