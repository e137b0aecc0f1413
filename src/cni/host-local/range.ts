import {
  addressBits,
  familyOf,
  type IpAddress,
  type IpFamily,
  ipFamilies,
  ipFromNumber,
  ipToNumber,
} from '#net/ip.ts'
import {
  firstAddress,
  formatPrefix,
  type IpPrefix,
  lastAddress,
  prefixContains,
} from '#net/prefix.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import { type CniVersion, isAtLeast } from '../spec/version.ts'

/** A range as a configuration writes it. */
export type RangeConfig = {
  /** Where it stands in the configuration, for messages. */
  readonly path: string
  readonly subnet: IpPrefix
  readonly rangeStart?: IpAddress | undefined
  readonly rangeEnd?: IpAddress | undefined
  readonly gateway?: IpAddress | undefined
}

/** Addresses of one subnet that may be handed out. */
export type Range = {
  readonly family: IpFamily
  readonly subnet: IpPrefix
  /** First and last address, inclusive, as numbers. */
  readonly start: bigint
  readonly end: bigint
  /** Never handed out; may lie outside the subnet. */
  readonly gateway: IpAddress
}

/** Ranges of one family of which an attachment gets one address; not empty. */
export type RangeSet = readonly Range[]

/** Does the range hold this address (gateway or not)? */
export function rangeContains({ family, start, end }: Range, ip: IpAddress): boolean {
  if (familyOf(ip) !== family) return false
  const number = ipToNumber(ip)
  return start <= number && number <= end
}

/** `START-END`, joined by commas. */
export const formatRangeSet = (set: RangeSet): string =>
  set
    .map(({ family, start, end }) => `${ipFromNumber(family, start)}-${ipFromNumber(family, end)}`)
    .join(',')

/**
 * A range with its defaults filled in: gateway and start are the first address after the network's, the end is the
 * last one, for IPv4 the one before broadcast.
 * @throws {CniError} code 7
 */
export function rangeFrom(config: RangeConfig): Range {
  const { subnet, path } = config
  const { family } = subnet
  const network = firstAddress(subnet)
  if (network !== subnet.address) {
    throw invalid(
      path,
      `subnet ${formatPrefix(subnet)} has host bits set; the network is ${network}`,
    )
  }
  if (addressBits(family) - subnet.length < 2) {
    throw invalid(path, `subnet ${formatPrefix(subnet)} is too small to allocate from`)
  }
  for (const [field, ip] of Object.entries({
    rangeStart: config.rangeStart,
    rangeEnd: config.rangeEnd,
  })) {
    if (ip !== undefined && !prefixContains(subnet, ip)) {
      throw invalid(path, `${field} ${ip} is not in the subnet ${formatPrefix(subnet)}`)
    }
  }
  const first = ipToNumber(network) + 1n
  const last = ipToNumber(lastAddress(subnet)) - (family === 4 ? 1n : 0n)
  const start = config.rangeStart === undefined ? first : ipToNumber(config.rangeStart)
  const end = config.rangeEnd === undefined ? last : ipToNumber(config.rangeEnd)
  if (start > end) throw invalid(path, 'rangeStart is after rangeEnd')
  return { family, subnet, start, end, gateway: config.gateway ?? ipFromNumber(family, first) }
}

/**
 * Checks what sets must keep among each other: one family in a set, no address twice, and before CNI 0.3.0, whose
 * results have no room for more, one set per family.
 * @throws {CniError} code 7
 */
export function checkRangeSets(sets: readonly RangeSet[], cniVersion: CniVersion): void {
  if (sets.length === 0) throw invalid('ipam', 'no IP ranges specified')
  sets.forEach((set, index) => {
    const [first] = set
    if (first === undefined) throw invalid('ipam.ranges', `set ${index} has no range`)
    if (set.some(({ family }) => family !== first.family)) {
      throw invalid('ipam.ranges', `set ${index} mixes IPv4 and IPv6`)
    }
  })
  checkOverlap(sets.flat())
  if (isAtLeast(cniVersion, '0.3.0')) return
  for (const wanted of ipFamilies) {
    if (sets.filter(([first]) => first?.family === wanted).length <= 1) continue
    throw invalid('ipam', `CNI version ${cniVersion} allows only 1 address per family`)
  }
}

function checkOverlap(ranges: readonly Range[]): void {
  const sorted = ranges.toSorted(
    (a, b) => a.family - b.family || (a.start < b.start ? -1 : a.start > b.start ? 1 : 0),
  )
  for (const [index, range] of sorted.entries()) {
    const next = sorted[index + 1]
    if (next === undefined || next.family !== range.family || next.start > range.end) continue
    throw invalid(
      'ipam.ranges',
      `${formatRangeSet([range])} overlaps with ${formatRangeSet([next])}`,
    )
  }
}

const invalid = (path: string, why: string): CniError =>
  new CniError(cniCodes.invalidConfig, `${path}: ${why}`)
