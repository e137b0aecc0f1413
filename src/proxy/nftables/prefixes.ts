import { addressBits } from '#net/ip.ts'
import { formatPrefix, type IpPrefix, networkOf, prefixContains } from '#net/prefix.ts'

/**
 * Prefixes as nft writes them in a set: networks, and none inside another, since it refuses what overlaps. None when one
 * of them holds everything: nft has no text for that.
 */
export function prefixTexts(prefixes: readonly IpPrefix[]): readonly string[] {
  if (prefixes.some(({ length }) => length === 0)) return []
  return prefixes
    .filter(
      (prefix, index) => !prefixes.some((other, place) => covers(other, prefix, place < index)),
    )
    .map(prefixText)
}

/** `network/length`; of one address, as nft lists it, the address alone. */
export function prefixText(prefix: IpPrefix): string {
  return prefix.length === addressBits(prefix.family)
    ? prefix.address
    : formatPrefix(networkOf(prefix))
}

/** Does `other` hold `prefix` and make it superfluous? Of two equal ones the earlier does. */
const covers = (other: IpPrefix, prefix: IpPrefix, isEarlier: boolean): boolean =>
  prefixContains(other, prefix.address) &&
  (other.length < prefix.length || (other.length === prefix.length && isEarlier))
