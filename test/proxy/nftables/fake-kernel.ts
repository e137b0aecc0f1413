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

/**
 * A kernel that understands the nft commands we write, keeps what they make, and refuses what a kernel would: nothing
 * of a refused text is applied.
 */
export class FakeKernel {
  #tables = new Map<string, Ruleset>()
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
    const chains = new Map([...found.chains].map(([name, rules]) => [name, rules.length]))
    return { chains, elements: structuredClone(found.containers) }
  }

  /** A copy of one table. */
  ruleset(table: string): Ruleset {
    const found = this.#tables.get(table)
    assert(found, `no table ${table}`)
    return structuredClone(found)
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
    for (const rules of this.#tables.get(table)?.chains.values() ?? []) rules.length = 0
  }
}

/** `table ip x {` … `}`, one declaration or rule a line; gives the index of its last line. */
function declare(tables: Map<string, Ruleset>, lines: readonly string[], start: number): number {
  const name = /^table (\S+ \S+) \{$/.exec(lines[start] as string)?.[1]
  assert(name, `not a table: ${lines[start]}`)
  const table = tables.get(name) ?? { chains: new Map(), containers: new Map() }
  tables.set(name, table)
  let chain: string[] | undefined
  for (let index = start + 1; index < lines.length; index++) {
    const line = lines[index] as string
    const container = /^(?:map|set) (\S+) \{ .* \}$/.exec(line)?.[1]
    const opened = /^chain (\S+) \{$/.exec(line)?.[1]
    if (line === '}' && chain === undefined) return index
    if (line === '}') chain = undefined
    else if (container !== undefined) table.containers.set(container, new Map())
    else if (opened !== undefined) table.chains.set(opened, (chain = []))
    else if (!line.startsWith('type ')) chain?.push(line)
  }
  throw new Error('the table does not end')
}

function command(tables: Map<string, Ruleset>, line: string): void {
  const [, verb, noun, name = '', rest = ''] =
    /^(add|delete) (table|chain|rule|element) (\S+ \S+) ?(.*)$/.exec(line) ?? []
  assert(verb, `not understood: ${line}`)
  if (noun === 'table') {
    if (verb === 'delete') assert(tables.delete(name), `no table: ${line}`)
    else tables.set(name, tables.get(name) ?? { chains: new Map(), containers: new Map() })
    return
  }
  const table = tables.get(name)
  assert(table, `no table: ${line}`)
  if (noun === 'element') return element(table, verb, rest, line)
  const [chain = '', ...rule] = rest.split(' ')
  if (noun === 'rule') {
    assert(table.chains.has(chain), `no chain: ${line}`)
    table.chains.get(chain)?.push(rule.join(' '))
  } else if (verb === 'delete') assert(table.chains.delete(chain), `no chain: ${line}`)
  else if (!table.chains.has(chain)) table.chains.set(chain, [])
}

function element(table: Ruleset, verb: string, rest: string, line: string): void {
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

function checkVerdicts(table: Ruleset): void {
  for (const container of table.containers.values()) {
    for (const value of container.values()) {
      const target = /^goto (\S+)$/.exec(value)?.[1]
      if (target !== undefined) assert(table.chains.has(target), `no chain ${target}`)
    }
  }
}
