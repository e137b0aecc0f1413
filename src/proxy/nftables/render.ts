import type { IpFamily } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import { type Changes, containers, type ElementChange, endpointsOf } from './element.ts'
import { balancerChain, protocolName } from './name.ts'

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
export const renderNow = (table: Table, { balancers, now }: Changes): string =>
  lines([...balancers.flatMap(count => renderBalancer(table, count)), ...renderChanges(table, now)])

/** The second one: deletions of what packets may have been on the way to during the first. */
export const renderLater = (table: Table, { later, unusedBalancers }: Changes): string =>
  lines([
    ...renderChanges(table, later),
    ...unusedBalancers.map(count => `delete chain ${tableText(table)} ${balancerChain(count)}`),
  ])

/** Deletes the table, also one that is not there (nft 1.0.6 has no `destroy`). */
export const renderRemoval = (table: Table): string =>
  lines([`add table ${tableText(table)}`, `delete table ${tableText(table)}`])

/** The chain that sends a connection to one of `count` endpoints of its id, each as likely. */
function renderBalancer(table: Table, count: number): readonly string[] {
  const chain = `${tableText(table)} ${balancerChain(count)}`
  const dnat = `dnat ${nftFamily(table.family)} to meta priority . numgen random mod ${count}`
  return [
    `add chain ${chain}`,
    // nft allows a map with ports only after a match of their protocol.
    ...balancedProtocols.map(
      protocol =>
        `add rule ${chain} meta l4proto ${protocolName(protocol)} ${dnat} map @${endpointsOf(protocol)}`,
    ),
  ]
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

function commands(command: string, elements: readonly string[]): readonly string[] {
  const texts: string[] = []
  for (let start = 0; start < elements.length; start += ELEMENTS_A_COMMAND) {
    const some = elements.slice(start, start + ELEMENTS_A_COMMAND)
    texts.push(`${command} { ${some.join(', ')} }`)
  }
  return texts
}

const lines = (list: readonly string[]): string => list.map(line => `${line}\n`).join('')
