import assert from 'node:assert'
import { type Iptables, IptablesError } from '#linux/iptables.ts'
import { targetOf } from '../../../src/proxy/iptables/rule.ts'

/** Chains by name, each a list of rules. */
export type FakeTable = Map<string, string[]>

const LINUX_CHAINS = {
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
}
const LINUX_TARGETS = ['ACCEPT', 'DROP', 'REJECT', 'RETURN', 'MARK', 'MASQUERADE', 'DNAT']

/** iptables on tables in memory: each table of a text is applied wholly or not at all, and nonsense is refused. */
export class FakeIptables implements Iptables {
  readonly flavour: Iptables['flavour']
  readonly version = '1.8.9'
  readonly tables = new Map<string, FakeTable>()
  /** Texts that were applied. */
  readonly texts: string[] = []
  /** Tables that are written before one is refused. */
  failAfter = Number.POSITIVE_INFINITY

  constructor(flavour: Iptables['flavour'] = 'nft') {
    this.flavour = flavour
    for (const [table, chains] of Object.entries(LINUX_CHAINS)) {
      this.tables.set(table, new Map(chains.map(chain => [chain, []])))
    }
  }

  async probe(): Promise<void> {}

  async save(): Promise<string> {
    return [...this.tables]
      .map(([name, table]) => {
        const chains = [...table.keys()].map(chain => `:${chain} - [0:0]`)
        const rules = [...table].flatMap(([chain, list]) => list.map(rule => `-A ${chain} ${rule}`))
        return [`# Generated`, `*${name}`, ...chains, ...rules, 'COMMIT', ''].join('\n')
      })
      .join('')
  }

  async restore(pieces: Iterable<string>): Promise<void> {
    const text = [...pieces].join('')
    if (text !== '') this.texts.push(text)
    let name = ''
    let table: FakeTable = new Map()
    for (const line of text.split('\n')) {
      if (line.startsWith('*')) {
        name = line.slice(1)
        const before = this.tables.get(name)
        assert(before, `no table ${name}`)
        table = new Map(Array.from(before, ([chain, rules]) => [chain, [...rules]]))
      } else if (line === 'COMMIT') {
        if (this.failAfter-- <= 0) throw new IptablesError('iptables-restore', 'injected')
        checkTargets(table)
        this.tables.set(name, table)
      } else if (line !== '') apply(table, line)
    }
  }

  async hasChain(table: string, chain: string): Promise<boolean | undefined> {
    return this.tables.get(table)?.has(chain) ?? false
  }

  rules(table: string, chain: string): readonly string[] {
    const rules = this.tables.get(table)?.get(chain)
    assert(rules, `no chain ${chain} in ${table}`)
    return rules
  }
}

function apply(table: FakeTable, line: string): void {
  const declared = /^:(\S+) - \[0:0\]$/.exec(line)?.[1]
  if (declared !== undefined) {
    assert(declared.length <= 28, `${declared} is too long`)
    table.set(declared, [])
    return
  }
  const [, command = '', chain = '', rule = ''] = /^-([AIDX]) (\S+) ?(.*)$/.exec(line) ?? []
  const rules = table.get(chain)
  assert(rules, `no chain for: ${line}`)
  if (command === 'A') rules.push(rule)
  else if (command === 'I') rules.unshift(rule)
  else if (command === 'D') {
    const index = rules.indexOf(rule)
    assert(index >= 0, `no such rule: ${line}`)
    rules.splice(index, 1)
  } else {
    assert.equal(rules.length, 0, `not empty: ${line}`)
    table.delete(chain)
  }
}

function checkTargets(table: FakeTable): void {
  for (const [chain, rules] of table) {
    for (const rule of rules) {
      const target = targetOf(rule)
      if (target === undefined || LINUX_TARGETS.includes(target)) continue
      assert(table.has(target), `${chain} leads to ${target}, which is not there`)
    }
  }
}
