import assert from 'node:assert'
import type { IpAddress } from '#net/ip.ts'
import { parsePrefix, prefixContains } from '#net/prefix.ts'
import type { Ruleset } from './fake-kernel.ts'

/** The first packet of a connection. */
export type Packet = {
  readonly saddr: string
  readonly daddr: string
  readonly protocol: string
  readonly dport: number
  /** Where it comes in; this node's own packets come in nowhere. */
  readonly iifname?: string
  /** Where it leaves, if it does. */
  readonly oifname?: string
}

/** Where packets go through the rules. */
export type Place = {
  readonly local: readonly string[]
  /** Gives the number that `numgen random mod` gives. */
  readonly random: (modulus: number) => number
}

/** What becomes of a connection. */
export type Fate = {
  readonly verdict: 'accept' | 'drop' | 'reject' | 'reset'
  /** Where it was sent to instead, as `address . port`. */
  readonly dnat?: string
  readonly isMasqueraded: boolean
}

/**
 * Leads the first packet of a connection through the chains of a node as Linux does, as far as our rules need it: of
 * this node's own processes if its source is local, else from a link.
 */
export function trace(rules: Ruleset, packet: Packet, place: Place): Fate {
  const walk = new Walk(rules, packet, place)
  const entry = place.local.includes(packet.saddr) ? 'output' : 'prerouting'
  for (const chain of [entry, `affinity-${entry}`, 'postrouting']) {
    const verdict = walk.run(chain)
    if (verdict === 'drop' || verdict === 'reject' || verdict === 'reset') {
      return { verdict, isMasqueraded: false }
    }
  }
  const { dnat, isMasqueraded } = walk
  return { verdict: 'accept', isMasqueraded, ...(dnat === undefined ? {} : { dnat }) }
}

type Verdict = Fate['verdict'] | 'done' | 'return'

/** A packet on its way. */
class Walk {
  readonly #rules: Ruleset
  readonly #original: Packet
  readonly #place: Place
  #priority = 'none'
  #tokens: string[] = []
  dnat: string | undefined
  isMasqueraded = false

  constructor(rules: Ruleset, packet: Packet, place: Place) {
    this.#rules = rules
    this.#original = packet
    this.#place = place
  }

  /** The verdict that ends the way through the hook; undefined: the chain came to its end. */
  run(chain: string): Verdict | undefined {
    const rules = this.#rules.chains.get(chain)
    assert(rules, `no chain ${chain}`)
    for (const rule of rules) {
      const outcome = this.#rule(rule)
      if (outcome === undefined) continue
      const [kind, target] = outcome
      if (kind === 'return') return undefined
      if (kind === 'goto') return this.run(target)
      if (kind !== 'jump') return kind
      const verdict = this.run(target)
      if (verdict !== undefined) return verdict
    }
    return undefined
  }

  /** What a rule ends with; undefined: it did not match, or has no verdict. */
  #rule(rule: string): readonly [Verdict | 'goto' | 'jump', string] | undefined {
    this.#tokens = rule.split(' ')
    while (this.#tokens.length > 0) {
      const word = this.#tokens[0] as string
      if (word === 'goto' || word === 'jump') return [word, this.#tokens[1] as string]
      if (word === 'drop' || word === 'return') return [word, '']
      if (word === 'reject') return [rule.endsWith('with tcp reset') ? 'reset' : 'reject', '']
      if (word === 'masquerade') {
        this.isMasqueraded = true
        return ['done', '']
      }
      if (word === 'dnat') {
        this.#take(3)
        const target = [this.#lookUp(this.#key())]
        if (this.#take(1)[0] === ':') target.push(this.#lookUp(this.#key()))
        if (target.includes(undefined)) return undefined
        this.dnat = target.join(' . ')
        return ['done', '']
      }
      if (word === 'update' || word === 'add') {
        this.#write()
        continue
      }
      if (this.#tokens[2] === 'set') {
        this.#take(3)
        const id = this.#lookUp(this.#key())
        if (id === undefined) return undefined
        this.#priority = id
        continue
      }
      const key = this.#flag() ?? this.#key()
      if (key === false) return undefined
      if (key === true) continue
      if (this.#tokens[0] === 'vmap') {
        const [kind, target] = this.#lookUp(key)?.split(' ') ?? []
        return kind === undefined ? undefined : ['goto', target as string]
      }
      if (!this.#compare(key)) return undefined
    }
    return undefined
  }

  #take(count: number): readonly string[] {
    return this.#tokens.splice(0, count)
  }

  /** `map @x` or `vmap @x` from here on. */
  #lookUp(key: string): string | undefined {
    const [, name = ''] = this.#take(2)
    return this.#container(name).get(key)
  }

  #container(name: string): Map<string, string> {
    const container = this.#rules.containers.get(name.slice(1))
    assert(container, `no map or set ${name}`)
    return container
  }

  /** Matches without a key. */
  #flag(): boolean | undefined {
    const words = this.#tokens.slice(0, 4).join(' ')
    if (words.startsWith('ct state new')) return this.#take(3).length > 0
    if (words.startsWith('ct status dnat')) {
      this.#take(3)
      return this.dnat !== undefined
    }
    const [, side, not] = /^fib (saddr|daddr) type (!=|local)/.exec(words) ?? []
    if (side === undefined) return undefined
    this.#take(not === '!=' ? 5 : 4)
    const address = side === 'saddr' ? this.#original.saddr : this.#daddr()
    return this.#place.local.includes(address) === (not !== '!=')
  }

  #key(): string {
    const fields = [this.#field()]
    while (this.#tokens[0] === '.') {
      this.#take(1)
      fields.push(this.#field())
    }
    return fields.join(' . ')
  }

  #field(): string {
    const { saddr, daddr, protocol, dport } = this.#original
    const [first, second] = this.#take(2)
    if (first === 'ct') {
      if (this.#take(1)[0] === 'proto-dst') return String(dport)
      return this.#take(1)[0] === 'daddr' ? daddr : ''
    }
    if (first === 'jhash') return `hash of ${this.#take(5)[0] === 'saddr' ? saddr : ''}`
    if (first === 'numgen') return String(this.#place.random(Number(this.#take(2)[1])))
    if (first === 'iif' || first === 'iifname' || first === 'oifname') {
      this.#tokens.unshift(second as string)
      const name = this.#original[first === 'oifname' ? first : 'iifname'] ?? ''
      // The index of none is 0, that of any other does not matter.
      return first === 'iif' ? String(name.length) : `"${name}"`
    }
    if (second === 'l4proto') return protocol
    if (second === 'priority') return this.#priority
    if (second === 'saddr') return saddr
    if (second === 'daddr') return this.#daddr()
    assert.equal(second, 'dport')
    return this.dnat?.split(' . ')[1] ?? String(dport)
  }

  #daddr(): string {
    return this.dnat?.split(' . ')[0] ?? this.#original.daddr
  }

  /** `[!=] value`, `[!=] { values }` or `[!=] @set`. */
  #compare(key: string): boolean {
    const isNegated = this.#tokens[0] === '!='
    if (isNegated) this.#take(1)
    const [word = ''] = this.#take(1)
    let values = [word]
    if (word === '{') {
      values = this.#take(this.#tokens.indexOf('}') + 1).map(value => value.replace(',', ''))
    } else if (word.startsWith('@')) values = [...this.#container(word).keys()]
    return values.some(value => matches(value, key)) !== isNegated
  }

  /** `update @x { key timeout Ts : value }` or `add @x { key }`: keeps what is there already. */
  #write(): void {
    const [, name = ''] = this.#take(3)
    const key = this.#key()
    if (this.#tokens[0] === 'timeout') this.#take(2)
    const value = this.#take(1)[0] === ':' ? this.#key() : undefined
    if (value !== undefined) this.#take(1)
    const container = this.#container(name)
    if (!container.has(key)) container.set(key, value ?? '')
  }
}

/** Keys are equal field by field; the last field of a value may be a prefix. */
function matches(value: string, key: string): boolean {
  if (value === key) return true
  if (value.endsWith('*"')) return key.startsWith(value.slice(0, -2))
  const at = value.lastIndexOf(' ') + 1
  const prefix = parsePrefix(value.slice(at))
  const isPrefix = prefix !== undefined && value.slice(0, at) === key.slice(0, at)
  return isPrefix && prefixContains(prefix, key.slice(at) as IpAddress)
}
