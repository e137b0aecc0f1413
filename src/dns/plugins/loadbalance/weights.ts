import { type IpAddress, parseIp } from '#net/ip.ts'
import { NodeplaneError } from '#runtime/error.ts'
import { isRecordOf, type ResourceRecord } from '../../message.ts'
import { isAddress } from './shuffle.ts'

/** A line of a weight file that cannot be used. */
export class WeightFileError extends NodeplaneError {
  readonly code = 'ERR_DNS_WEIGHT_FILE'
}

/** Weights of addresses, 1 to 255, by name (lower case, fully qualified). */
export type Weights = ReadonlyMap<string, ReadonlyMap<IpAddress, number>>

/** Of an address that has none. */
const DEFAULT_WEIGHT = 1
const MAX_WEIGHT = 255

/**
 * Reads a weight file: a name on a line of its own, then lines of an address and its weight; empty lines and lines that begin with
 * `#` mean nothing (CoreDNS: plugin/loadbalance, "Weightfile").
 * @throws {WeightFileError} with the number of the line.
 */
export function parseWeights(text: string): Weights {
  const weights = new Map<string, Map<IpAddress, number>>()
  let current: Map<IpAddress, number> | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const [first, second, ...more] = line.trim().split(/\s+/)
    if (first === undefined || first === '' || first.startsWith('#')) continue
    const wrong = (what: string) => new WeightFileError(`line ${index + 1}: ${what}`)
    if (more.length > 0) throw wrong('needs a name, or an address and its weight')
    if (second === undefined) {
      const name = first.toLowerCase().replace(/\.?$/, '.')
      current = weights.get(name) ?? new Map()
      weights.set(name, current)
      continue
    }
    const address = parseIp(first)
    if (address === undefined) throw wrong(`'${first}' is no address`)
    const weight = /^\d{1,3}$/.test(second) ? Number(second) : 0
    if (weight < 1 || weight > MAX_WEIGHT) throw wrong(`'${second}' is no weight from 1 to 255`)
    if (current === undefined) throw wrong('an address before the first name')
    current.set(address, weight)
  }
  return weights
}

/**
 * The records, with one address moved before the others: each as likely as its weight says. All else keeps its place.
 * @param random numbers in [0, 1).
 */
export function weightedFirst(
  records: readonly ResourceRecord[],
  weights: Weights,
  random: () => number,
): readonly ResourceRecord[] {
  const addresses = records.filter(isAddress)
  if (addresses.length < 2) return records
  const weightOf = (record: ResourceRecord): number => {
    const data = isRecordOf(record, 'A') || isRecordOf(record, 'AAAA') ? record.data : undefined
    const own = weights.get(record.name.toLowerCase())
    return (data && own?.get(data)) ?? DEFAULT_WEIGHT
  }
  let left = random() * addresses.reduce((sum, record) => sum + weightOf(record), 0)
  const chosen = addresses.find(record => (left -= weightOf(record)) < 0) ?? addresses[0]
  const ordered = [chosen, ...addresses.filter(record => record !== chosen)].values()
  return records.map(record =>
    isAddress(record) ? (ordered.next().value as ResourceRecord) : record,
  )
}
