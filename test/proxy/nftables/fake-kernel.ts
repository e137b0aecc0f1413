import assert from 'node:assert'
import { NftError } from '#linux/nft.ts'
import type { NftTable } from '#linux/nft-listing.ts'
import type { IpAddress } from '#net/ip.ts'
import { hostPrefix, parsePrefix, prefixesOverlap } from '#net/prefix.ts'

/** What one table holds: rules by chain, elements by map or set. */
export type Ruleset = {
  readonly chains: Map<string, string[]>
  readonly containers: Map<string, Map<string, string>>
}

type Chain = { readonly handle: number; readonly rules: { handle: number; text: string }[] }
type Table = {
  readonly chains: Map<string, Chain>
  readonly containers: Map<string, Map<string, string>>
  lastHandle: number
}

const emptyTable = (): Table => ({ chains: new Map(), containers: new Map(), lastHandle: 0 })

function addChain(table: Table, name: string): Chain {
  const chain = table.chains.get(name) ?? { handle: ++table.lastHandle, rules: [] }
  table.chains.set(name, chain)
  return chain
}

function addRule(table: Table, chain: Chain | undefined, text: string): void {
  chain?.rules.push({ handle: ++table.lastHandle, text })
}

/**
 * A kernel that understands the nft commands we write, keeps what they make, and refuses what a kernel would: nothing
 * of a refused text is applied.
 */
export class FakeKernel {
  #tables = new Map<string, Table>()
  /** The transactions that were applied. */
  readonly log: string[] = []

  /** One transaction. */
  apply(text: string): void {
    const tables = structuredClone(this.#tables)
    const lines = text.split('\n').filter(line => line !== '')
    for (let index = 0; index < lines.length; index++) {
      const line = lines[index] as string
      if (line.startsWith('table ')) index = declare(tables, lines, index)
      else command(tables, line)
    }
    for (const table of tables.values()) checkVerdicts(table)
    this.#tables = tables
    this.log.push(text)
  }

  /** As nft lists it; undefined when there is no such table. */
  list(table: string): NftTable | undefined {
    const found = this.#tables.get(table)
    if (found === undefined) return undefined
    const chains = new Map(
      Array.from(found.chains, ([name, { handle, rules }]) => {
        const lastRule = Math.max(0, ...rules.map(rule => rule.handle))
        return [name, { handle, rules: rules.length, lastRule }]
      }),
    )
    return { chains, elements: structuredClone(found.containers) }
  }

  /** A copy of one table. */
  ruleset(table: string): Ruleset {
    const found = this.#tables.get(table)
    assert(found, `no table ${table}`)
    const chains = Array.from(
      found.chains,
      ([name, { rules }]) => [name, rules.map(({ text }) => text)] as const,
    )
    return { chains: new Map(chains), containers: structuredClone(found.containers) }
  }

  /** A client's connection to some endpoint of a route with affinity: the kernel remembers it. */
  connect(table: string, client: string, seed: number): void {
    const { containers } = this.#tables.get(table) ?? {}
    const sticky = [...(containers?.get('remember')?.keys() ?? [])]
    const id = sticky[seed % sticky.length]
    for (const protocol of ['tcp', 'udp']) {
      const slots = [...(containers?.get(`endpoints-${protocol}`) ?? [])]
        .filter(([key]) => key.startsWith(`${id} . `))
        .map(([, endpoint]) => endpoint)
      const endpoint = slots[seed % slots.length]
      if (endpoint === undefined) continue
      containers?.get(`affinity-${protocol}`)?.set(`${id} . ${client}`, endpoint)
    }
  }

  /** `nft flush table`, as somebody else might do. */
  flushRules(table: string): void {
    for (const { rules } of this.#tables.get(table)?.chains.values() ?? []) rules.length = 0
  }

  /** What somebody else puts in the place of a chain's last rule. */
  replaceRule(table: string, chain: string, text: string): void {
    const found = this.#tables.get(table)
    found?.chains.get(chain)?.rules.pop()
    if (found !== undefined) addRule(found, found.chains.get(chain), text)
  }
}

/** `table ip x {` … `}`, one declaration or rule a line; gives the index of its last line. */
function declare(tables: Map<string, Table>, lines: readonly string[], start: number): number {
  const name = /^table (\S+ \S+) \{$/.exec(lines[start] as string)?.[1]
  assert(name, `not a table: ${lines[start]}`)
  const table = tables.get(name) ?? emptyTable()
  tables.set(name, table)
  let chain: Chain | undefined
  for (let index = start + 1; index < lines.length; index++) {
    const line = lines[index] as string
    const container = /^(?:map|set) (\S+) \{ .* \}$/.exec(line)?.[1]
    const opened = /^chain (\S+) \{$/.exec(line)?.[1]
    if (line === '}' && chain === undefined) return index
    if (line === '}') chain = undefined
    else if (container !== undefined) table.containers.set(container, new Map())
    else if (opened !== undefined) chain = addChain(table, opened)
    else if (!line.startsWith('type ')) addRule(table, chain, line)
  }
  throw new Error('the table does not end')
}

function command(tables: Map<string, Table>, line: string): void {
  const [, verb, noun, name = '', rest = ''] =
    /^(add|delete) (table|chain|rule|element) (\S+ \S+) ?(.*)$/.exec(line) ?? []
  assert(verb, `not understood: ${line}`)
  if (noun === 'table') {
    if (verb === 'delete') assert(tables.delete(name), `no table: ${line}`)
    else tables.set(name, tables.get(name) ?? emptyTable())
    return
  }
  const table = tables.get(name)
  assert(table, `no table: ${line}`)
  if (noun === 'element') return element(table, verb, rest, line)
  const [chain = '', ...rule] = rest.split(' ')
  if (noun === 'rule') {
    assert(table.chains.has(chain), `no chain: ${line}`)
    addRule(table, table.chains.get(chain), rule.join(' '))
  } else if (verb === 'delete') assert(table.chains.delete(chain), `no chain: ${line}`)
  else addChain(table, chain)
}

function element(table: Table, verb: string, rest: string, line: string): void {
  const [, name = '', list = ''] = /^(\S+) \{ (.*) \}$/.exec(rest) ?? []
  const container = table.containers.get(name)
  assert(container, `no map or set: ${line}`)
  for (const text of list.split(', ')) {
    const [key = '', value = ''] = text.split(' : ')
    if (verb === 'delete') {
      assert(container.delete(key), `no element ${key} in ${name}`)
      continue
    }
    if ((container.get(key) ?? value) !== value) {
      throw new NftError(`${name} has ${key} with another value`, line)
    }
    if (name === 'source-ranges') checkOverlap(container.keys(), key)
    container.set(key, value)
  }
}

/** Keys end in a prefix or an address; those of one destination must be disjoint. */
function checkOverlap(keys: Iterable<string>, added: string): void {
  const parse = (key: string) => {
    const [, destination, source = ''] = /^(.*) \. (\S+)$/.exec(key) ?? []
    const prefix = parsePrefix(source) ?? hostPrefix(source as IpAddress)
    return { destination, prefix }
  }
  const one = parse(added)
  for (const key of keys) {
    const other = parse(key)
    assert(
      key === added ||
        other.destination !== one.destination ||
        !prefixesOverlap(other.prefix, one.prefix),
      `${added} overlaps ${key}`,
    )
  }
}

function checkVerdicts(table: Table): void {
  for (const container of table.containers.values()) {
    for (const value of container.values()) {
      const target = /^goto (\S+)$/.exec(value)?.[1]
      if (target !== undefined) assert(table.chains.has(target), `no chain ${target}`)
    }
  }
}
