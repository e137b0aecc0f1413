import { type IpAddress, type IpFamily, ipToNumber } from '#net/ip.ts'
import { firstAddress, hostPrefix, type IpPrefix, lastAddress } from '#net/prefix.ts'

/** A prefix, and its first and last address as numbers: worked out once, compared often. */
export type Range = {
  readonly family: IpFamily
  readonly prefix: IpPrefix
  readonly first: bigint
  readonly last: bigint
}

export const rangeOf = (prefix: IpPrefix): Range => ({
  family: prefix.family,
  prefix,
  first: ipToNumber(firstAddress(prefix)),
  last: ipToNumber(lastAddress(prefix)),
})

/** The range of one address. */
export const rangeOfAddress = (address: IpAddress): Range => rangeOf(hostPrefix(address))

/** Do two ranges of one family share an address? */
export const rangesOverlap = (a: Range, b: Range): boolean => a.first <= b.last && b.first <= a.last
