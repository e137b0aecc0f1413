import { isRecordOf, type ResourceRecord } from '../message.ts'
import { ancestorsOf, isInZone } from '../name.ts'
import { recordTypes } from '../wire/mnemonics.ts'
import { WireReader } from '../wire/reader.ts'
import { additionalsFor } from './additionals.ts'
import type { ZoneData, ZoneNode } from './zone-data.ts'

export type AuthorityQuestion = {
  /** In the letter case of the client, in the zone. */
  readonly name: string
  readonly type: string
  readonly dnssecOk: boolean
}

type Sections = {
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
}

/** What a zone says to a question. */
export type AuthorityOutcome =
  | ({ readonly kind: 'answer' | 'no-data' | 'name-error' | 'referral' } & Sections)
  /** The answer so far is aliases; `target` lies outside of the zone. */
  | { readonly kind: 'alias'; readonly answers: readonly ResourceRecord[]; readonly target: string }
  /** Aliases that lead to one another. */
  | { readonly kind: 'loop' }

/** Aliases that are followed in one zone; CoreDNS's number. */
const MAX_ALIASES = 8

/** Answers from a zone with authority: RFC 1034 section 4.3.2, wildcards by RFC 4592, DNAME by RFC 6672. */
export function lookupAuthority(zone: ZoneData, question: AuthorityQuestion): AuthorityOutcome {
  return new Lookup(zone, question).run()
}

class Lookup {
  readonly #zone: ZoneData
  readonly #question: AuthorityQuestion
  readonly #answers: ResourceRecord[] = []

  constructor(zone: ZoneData, question: AuthorityQuestion) {
    this.#zone = zone
    this.#question = question
  }

  run(): AuthorityOutcome {
    let name = this.#question.name
    for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
      const step = this.#at(name)
      if (typeof step !== 'string') return step
      if (!isInZone(step.toLowerCase(), this.#zone.origin)) {
        return { kind: 'alias', answers: this.#answers, target: step }
      }
      name = step
    }
    return { kind: 'loop' }
  }

  /** What is at a name, or where it leads on to. */
  #at(name: string): AuthorityOutcome | string {
    const lowerName = name.toLowerCase()
    const cut = this.#cutAbove(lowerName)
    if (cut !== undefined)
      return cut.type === 'NS' ? this.#referral(cut.name) : this.#renamed(name, cut.name)
    const node = this.#zone.node(lowerName)
    if (node !== undefined) return this.#from(node, name)
    const encloser = this.#zone.closestEncloser(lowerName)
    const wildcard = encloser === '.' ? '*.' : `*.${encloser}`
    const source = this.#zone.node(wildcard)
    if (source !== undefined) return this.#from(source, name, lowerName)
    return this.#negative('name-error', [lowerName, wildcard])
  }

  /** The first delegation or DNAME on the way from the apex down to the name. */
  #cutAbove(name: string): { readonly name: string; readonly type: 'NS' | 'DNAME' } | undefined {
    const { origin } = this.#zone
    const way = [...ancestorsOf(name)].filter(ancestor => isInZone(ancestor, origin)).reverse()
    for (const ancestor of way) {
      const node = this.#zone.node(ancestor)
      // DS records are the parent's (RFC 4035 section 3.1.4.1).
      const isAsked = ancestor === name && this.#question.type === 'DS'
      if (ancestor !== origin && node?.has('NS') === true && !isAsked)
        return { name: ancestor, type: 'NS' }
      if (ancestor !== name && node?.has('DNAME') === true) return { name: ancestor, type: 'DNAME' }
    }
    return undefined
  }

  #referral(cut: string): AuthorityOutcome {
    const node = this.#zone.node(cut)
    const servers = node?.get('NS') ?? []
    const proof = this.#question.dnssecOk
      ? [
          ...(node?.get('DS') ?? node?.get('NSEC') ?? []),
          ...this.#signatures(node, cut, node?.has('DS') === true ? 'DS' : 'NSEC'),
        ]
      : []
    const additionals = additionalsFor(this.#zone, servers)
    return this.#outcome('referral', { authorities: [...servers, ...proof], additionals })
  }

  /** RFC 6672 section 3: the DNAME record, and the alias that it means for this name. */
  #renamed(name: string, owner: string): AuthorityOutcome | string {
    const node = this.#zone.node(owner)
    const [record] = node?.get('DNAME') ?? []
    if (record === undefined || !(record.data instanceof Uint8Array)) return { kind: 'loop' }
    const suffix = new WireReader(record.data).name()
    const target =
      suffix === '.' ? name.slice(0, -owner.length) : name.slice(0, -owner.length) + suffix
    this.#answers.push(record, ...this.#signed(node, owner, 'DNAME'))
    this.#answers.push({ name, type: 'CNAME', class: 'IN', ttl: record.ttl, data: target })
    return this.#question.type === 'CNAME' ? this.#positive() : target
  }

  /** @param covered the name that a wildcard stands for, whose absence is proven too. */
  #from(node: ZoneNode, name: string, covered?: string): AuthorityOutcome | string {
    const { type } = this.#question
    const owned = (records: readonly ResourceRecord[]) =>
      records.map(record => ({ ...record, name }))
    const [alias] = node.get('CNAME') ?? []
    if (alias !== undefined && type !== 'CNAME' && type !== 'ANY' && isRecordOf(alias, 'CNAME')) {
      this.#answers.push({ ...alias, name }, ...this.#signed(node, name, 'CNAME'))
      return alias.data
    }
    const found = type === 'ANY' ? [...node.values()].flat() : (node.get(type) ?? [])
    if (found.length === 0)
      return this.#negative('no-data', covered === undefined ? [name.toLowerCase()] : [covered])
    this.#answers.push(...owned(found))
    if (type !== 'ANY') this.#answers.push(...this.#signed(node, name, type))
    return this.#positive(covered)
  }

  /** The name servers of the zone stand in the authority section, as in CoreDNS. */
  #positive(covered?: string): AuthorityOutcome {
    const { origin } = this.#zone
    const apex = this.#zone.node(origin)
    const isApexNs = this.#question.type === 'NS' && this.#question.name.toLowerCase() === origin
    const servers = isApexNs
      ? []
      : [...(apex?.get('NS') ?? []), ...this.#signed(apex, origin, 'NS')]
    const proof = covered === undefined ? [] : this.#denials([covered])
    const additionals = additionalsFor(this.#zone, this.#answers)
    return this.#outcome('answer', { authorities: [...servers, ...proof], additionals })
  }

  /** RFC 2308 section 3: the SOA record, no longer to be kept than its MINIMUM. */
  #negative(kind: 'no-data' | 'name-error', denied: readonly string[]): AuthorityOutcome {
    const { soa, origin } = this.#zone
    const minimum = isRecordOf(soa, 'SOA') ? soa.data.minimum : soa.ttl
    const signatures = this.#signed(this.#zone.node(origin), origin, 'SOA')
    const authorities = [
      { ...soa, ttl: Math.min(soa.ttl, minimum) },
      ...signatures,
      ...this.#denials(denied),
    ]
    return this.#outcome(kind, { authorities, additionals: [] })
  }

  /** The NSEC records that cover or are at these names, each once (RFC 4035 section 3.1.3). */
  #denials(names: readonly string[]): readonly ResourceRecord[] {
    if (!this.#question.dnssecOk) return []
    const owners = new Set(names.map(name => this.#zone.nsecOwnerBefore(name)))
    return [...owners].flatMap(owner => {
      if (owner === undefined) return []
      const node = this.#zone.node(owner)
      return [...(node?.get('NSEC') ?? []), ...this.#signatures(node, owner, 'NSEC')]
    })
  }

  #signed(node: ZoneNode | undefined, name: string, type: string): readonly ResourceRecord[] {
    return this.#question.dnssecOk ? this.#signatures(node, name, type) : []
  }

  #signatures(node: ZoneNode | undefined, name: string, type: string): readonly ResourceRecord[] {
    return (node?.get('RRSIG') ?? [])
      .filter(record => coveredType(record) === type)
      .map(record => ({ ...record, name }))
  }

  #outcome(
    kind: 'answer' | 'no-data' | 'name-error' | 'referral',
    { authorities, additionals }: Omit<Sections, 'answers'>,
  ): AuthorityOutcome {
    return { kind, answers: this.#answers, authorities, additionals }
  }
}

/** The type that a signature is of: the first field of its data (RFC 4034 section 3.1.1). */
const coveredType = ({ data }: ResourceRecord): string | undefined =>
  data instanceof Uint8Array ? recordTypes.toText(new WireReader(data).u16()) : undefined
