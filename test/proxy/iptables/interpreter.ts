import assert from 'node:assert'
import { parsePrefix, prefixContains } from '#net/prefix.ts'
import type { Fate, Packet, Place } from '../nftables/interpreter.ts'
import type { FakeIptables } from './fake-iptables.ts'

/** Clients that `recent` lists have, by the name of the list. They outlive a packet. */
export type Recent = Map<string, Set<string>>

/**
 * Leads the first packet of a connection through the tables of a node as Linux does, as far as our rules need it: of this
 * node's own processes if its source is local, else from a link.
 */
export function trace(tables: FakeIptables, packet: Packet, place: Place, recent: Recent): Fate {
  const walk = new Walk(tables, packet, place, recent)
  const isLocal = (address: string) => place.local.includes(address)
  const isOwn = isLocal(packet.saddr)
  const refused = (table: string, chain: string): Fate | undefined => {
    const verdict = walk.run(table, chain)
    if (verdict === undefined || verdict === 'accept' || verdict === 'return') return undefined
    return { verdict, isMasqueraded: false }
  }
  const nat = refused('nat', isOwn ? 'OUTPUT' : 'PREROUTING')
  assert(nat === undefined, 'the nat table refuses nothing')
  const isInput = isLocal(walk.daddr)
  const hooks = isOwn ? ['OUTPUT', ...(isInput ? ['INPUT'] : [])] : [isInput ? 'INPUT' : 'FORWARD']
  for (const hook of hooks) {
    const fate = refused('filter', hook)
    if (fate !== undefined) return fate
  }
  if (isOwn || !isInput) walk.run('nat', 'POSTROUTING')
  const { dnat, isMasqueraded } = walk
  return { verdict: 'accept', isMasqueraded, ...(dnat === undefined ? {} : { dnat }) }
}

type Verdict = Fate['verdict'] | 'return'

/** A packet on its way. */
class Walk {
  readonly #tables: FakeIptables
  readonly #packet: Packet
  readonly #place: Place
  readonly #recent: Recent
  #mark = 0
  dnat: string | undefined
  isMasqueraded = false

  constructor(tables: FakeIptables, packet: Packet, place: Place, recent: Recent) {
    this.#tables = tables
    this.#packet = packet
    this.#place = place
    this.#recent = recent
  }

  get daddr(): string {
    return this.dnat?.split(' . ')[0] ?? this.#packet.daddr
  }

  get #dport(): number {
    return this.dnat === undefined ? this.#packet.dport : Number(this.dnat.split(' . ')[1])
  }

  /** undefined: the chain came to its end. */
  run(table: string, chain: string): Verdict | undefined {
    for (const rule of this.#tables.rules(table, chain)) {
      const verdict = this.#rule(table, rule)
      if (verdict === 'return') return undefined
      if (verdict !== undefined) return verdict
    }
    return undefined
  }

  #rule(table: string, rule: string): Verdict | undefined {
    const words = rule.match(/"[^"]*"|\S+/g) ?? []
    let negated = false
    while (words.length > 0) {
      const word = words.shift() as string
      if (word === '!') {
        negated = true
        continue
      }
      if (word === '-j') return this.#target(table, words.shift() as string, words)
      if (this.#matches(word, words) === negated) return undefined
      negated = false
    }
    return undefined
  }

  #matches(word: string, words: string[]): boolean {
    const { saddr, protocol, iifname = '' } = this.#packet
    const value = () => words.shift() as string
    const isLocal = (address: string) => this.#place.local.includes(address)
    switch (word) {
      case '-m':
      case '--comment':
      case '--mode':
        value()
        return true
      case '-s':
        return isIn(saddr, value())
      case '-d':
        return isIn(this.daddr, value())
      case '-i': {
        const name = value()
        return name.endsWith('+') ? iifname.startsWith(name.slice(0, -1)) : iifname === name
      }
      case '-p':
        return value() === protocol
      case '--dport':
        return Number(value()) === this.#dport
      case '--dst-type':
        return value() === 'LOCAL' && isLocal(this.daddr)
      case '--src-type':
        return value() === 'LOCAL' && isLocal(saddr)
      case '--ctstate': {
        const states = value().split(',')
        return states.includes('NEW') || (states.includes('DNAT') && this.dnat !== undefined)
      }
      case '--mark': {
        const [mark = 0, mask = 0] = value().split('/').map(Number)
        return (this.#mark & mask) === mark
      }
      case '--probability':
        return this.#place.random(Math.round(1 / Number(value()))) === 0
      case '--rcheck':
      case '--set':
        return this.#recentMatches(word, words)
      default:
        throw new Error(`unknown word ${word}`)
    }
  }

  #recentMatches(word: string, words: string[]): boolean {
    const options = words.splice(0, words.indexOf('--rsource') + 1)
    const name = options[options.indexOf('--name') + 1] as string
    const list = this.#recent.get(name) ?? new Set()
    this.#recent.set(name, list)
    if (word === '--rcheck') return list.has(this.#packet.saddr)
    list.add(this.#packet.saddr)
    return true
  }

  #target(table: string, target: string, options: readonly string[]): Verdict | undefined {
    switch (target) {
      case 'ACCEPT':
        return 'accept'
      case 'DROP':
        return 'drop'
      case 'RETURN':
        return 'return'
      case 'REJECT':
        return options[1] === 'tcp-reset' ? 'reset' : 'reject'
      case 'MARK': {
        const [value = 0, mask = 0] = (options[1] as string).split('/').map(Number)
        this.#mark = (this.#mark & ~mask) ^ value
        return undefined
      }
      case 'MASQUERADE':
        this.isMasqueraded = true
        return 'accept'
      case 'DNAT':
        this.dnat = (options[1] as string).replace(/^\[?(.*?)\]?:(\d+)$/, '$1 . $2')
        return 'accept'
      default:
        return this.run(table, target)
    }
  }
}

function isIn(address: string, text: string): boolean {
  const prefix = parsePrefix(text)
  assert(prefix, `${text} is not a prefix`)
  return prefixContains(prefix, address as never)
}
