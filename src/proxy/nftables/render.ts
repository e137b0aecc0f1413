import assert from 'node:assert'
import type { IpFamily } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import { inChunks } from './chunks.ts'
import { type Changes, containers, type ElementChange, endpointsOf } from './element.ts'
import { affinityMap, parseChain, protocolName } from './name.ts'

/** Which table. */
export type Table = { readonly family: IpFamily; readonly name: string }

/** The family's keyword in nft. */
export const nftFamily = (family: IpFamily): 'ip' | 'ip6' => (family === 4 ? 'ip' : 'ip6')

/** `ip nodeplane`: the table as commands name it. */
export const tableText = ({ family, name }: Table): string => `${nftFamily(family)} ${name}`

/** Protocols with a rule in each balancing chain, the most frequent first. */
export const balancedProtocols: readonly Protocol[] = ['TCP', 'UDP', 'SCTP']

/** Elements in one command. Errors name a command, so they stay readable; and no line grows without bound. */
const ELEMENTS_A_COMMAND = 500

/** The first of two transactions: new and changed elements, and deletions nothing can still be on the way to. */
export const renderNow = (table: Table, { chains, now }: Changes): string =>
  lines([...chains.flatMap(chain => renderChain(table, chain)), ...renderChanges(table, now)])

/** The second one: deletions of what packets may have been on the way to during the first. */
export const renderLater = (table: Table, { later, unusedChains }: Changes): string =>
  lines([
    ...renderChanges(table, later),
    ...unusedChains.map(chain => `delete chain ${tableText(table)} ${chain}`),
  ])

/** Deletes the table, also one that is not there (nft 1.0.6 has no `destroy`). */
export const renderRemoval = (table: Table): string =>
  lines([`add table ${tableText(table)}`, `delete table ${tableText(table)}`])

/**
 * Makes clients forget endpoints: `client . id` → `address . port`, as the affinity map has them. An entry that has
 * expired meanwhile is no error, but one with another endpoint by now is, and refuses the whole text.
 */
export function renderForgetting(
  table: Table,
  protocol: Protocol,
  entries: readonly (readonly [string, string])[],
): string {
  const map = `${tableText(table)} ${affinityMap(protocol)}`
  return lines([
    ...commands(
      `add element ${map}`,
      entries.map(([key, value]) => element(key, value)),
    ),
    ...commands(
      `delete element ${map}`,
      entries.map(([key]) => key),
    ),
  ])
}

function renderChain(table: Table, name: string): readonly string[] {
  const parsed = parseChain(name)
  assert(parsed !== undefined, `nothing is known of a chain ${name}`)
  const rule = parsed.kind === 'lb' ? balancingRule : rememberingRule
  const chain = `${tableText(table)} ${name}`
  return [
    `add chain ${chain}`,
    // nft allows a map with ports only after a match of their protocol.
    ...balancedProtocols.map(
      protocol =>
        `add rule ${chain} meta l4proto ${protocolName(protocol)} ${rule(table, parsed.number, protocol)}`,
    ),
  ]
}

/** Sends a connection to one of `count` endpoints of its id, each as likely. */
const balancingRule = ({ family }: Table, count: number, protocol: Protocol): string =>
  `dnat ${nftFamily(family)} to meta priority . numgen random mod ${count} map @${endpointsOf(protocol)}`

/** Notes which endpoint the client of a connection got, for so many seconds from now. */
function rememberingRule({ family }: Table, seconds: number, protocol: Protocol): string {
  const ip = nftFamily(family)
  const entry = `${ip} saddr . meta priority timeout ${seconds}s : ${ip} daddr . ${protocolName(protocol)} dport`
  return `update @${affinityMap(protocol)} { ${entry} }`
}

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
