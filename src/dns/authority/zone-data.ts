import { isRecordOf, type ResourceRecord } from '../message.ts'
import { ancestorsOf, isInZone, splitLabels } from '../name.ts'
import { ZoneFileError } from '../zonefile/zone-file-error.ts'

/** What is at one name: records by type. Empty: names below it exist (RFC 4592 section 2.2.2). */
export type ZoneNode = ReadonlyMap<string, readonly ResourceRecord[]>

const EMPTY: ZoneNode = new Map()

/** A whole zone with authority. It never changes: another version is another object. */
export class ZoneData {
  /** Lower case. */
  readonly origin: string
  readonly soa: ResourceRecord
  readonly serial: number
  readonly #records: readonly ResourceRecord[]
  readonly #nodes = new Map<string, Map<string, ResourceRecord[]> | ZoneNode>()
  #chain: readonly string[] | undefined

  /** @throws {ZoneFileError} no SOA record at the origin, or several; a name outside the zone; a CNAME beside other records. */
  constructor(origin: string, records: readonly ResourceRecord[]) {
    this.origin = origin
    const soas = records.filter(record => record.type === 'SOA')
    const [soa] = soas
    if (soa === undefined || soas.length > 1 || soa.name.toLowerCase() !== origin) {
      throw new ZoneFileError(`zone ${origin} needs one SOA record, at its origin`)
    }
    this.soa = soa
    this.serial = isRecordOf(soa, 'SOA') ? soa.data.serial : 0
    this.#records = records.filter(record => record !== soa)
    for (const record of records) this.#add(record)
    this.#checkAliases()
  }

  /** Every record but the SOA. */
  get records(): readonly ResourceRecord[] {
    return this.#records
  }

  /** What is at a name in lower case; undefined: the name does not exist. */
  node(name: string): ZoneNode | undefined {
    return this.#nodes.get(name)
  }

  /** The longest existing name above a name that does not exist (RFC 4592 section 3.3.1). */
  closestEncloser(name: string): string {
    for (const ancestor of ancestorsOf(name)) if (this.#nodes.has(ancestor)) return ancestor
    return this.origin
  }

  /** The name whose NSEC record covers `name`; undefined in a zone without NSEC records. */
  nsecOwnerBefore(name: string): string | undefined {
    this.#chain ??= [...this.#nodes]
      .filter(([, node]) => node.has('NSEC'))
      .map(([owner]) => owner)
      .sort(compareCanonically)
    const after = this.#chain.findIndex(owner => compareCanonically(owner, name) > 0)
    return this.#chain.at(after - 1)
  }

  #add(record: ResourceRecord): void {
    const name = record.name.toLowerCase()
    if (!isInZone(name, this.origin)) {
      throw new ZoneFileError(`${record.name} ${record.type} is outside of zone ${this.origin}`)
    }
    let node = this.#nodes.get(name) as Map<string, ResourceRecord[]> | undefined
    if (node === undefined || node === EMPTY) {
      node = new Map()
      this.#nodes.set(name, node)
      this.#addAncestors(name)
    }
    const sameType = node.get(record.type)
    if (sameType === undefined) node.set(record.type, [record])
    else sameType.push(record)
  }

  #addAncestors(name: string): void {
    for (const ancestor of ancestorsOf(name)) {
      if (ancestor === name) continue
      if (this.#nodes.has(ancestor) || !isInZone(ancestor, this.origin)) return
      this.#nodes.set(ancestor, EMPTY)
    }
  }

  /** RFC 1034 section 3.6.2; RRSIG and NSEC may stand beside an alias (RFC 4035 section 2.5). */
  #checkAliases(): void {
    for (const [name, node] of this.#nodes) {
      const aliases = node.get('CNAME')
      if (aliases === undefined) continue
      const others = [...node.keys()].filter(type => !['CNAME', 'RRSIG', 'NSEC'].includes(type))
      if (aliases.length > 1 || others.length > 0) {
        throw new ZoneFileError(`${name} has a CNAME and ${others.join(', ') || 'another CNAME'}`)
      }
    }
  }
}

/** The order of RFC 4034 section 6.1: by labels from the right. */
function compareCanonically(a: string, b: string): number {
  const [left, right] = [splitLabels(a).toReversed(), splitLabels(b).toReversed()]
  for (const [index, label] of left.entries()) {
    const other = right[index]
    if (other === undefined) return 1
    if (label !== other) return label < other ? -1 : 1
  }
  return left.length - right.length
}
