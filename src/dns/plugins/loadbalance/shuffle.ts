import type { ResourceRecord } from '../../message.ts'

/**
 * The records of a section: CNAMEs as they were, then other types, then addresses in random order, then MX records in random
 * order. The CNAMEs must come first: stub resolvers follow them in order.
 * @param random numbers in [0, 1).
 */
export function shuffleSection(
  records: readonly ResourceRecord[],
  random: () => number,
): readonly ResourceRecord[] {
  if (records.length < 2) return records
  const cnames: ResourceRecord[] = []
  const addresses: ResourceRecord[] = []
  const exchanges: ResourceRecord[] = []
  const others: ResourceRecord[] = []
  for (const record of records) {
    if (record.type === 'CNAME') cnames.push(record)
    else if (isAddress(record)) addresses.push(record)
    else if (record.type === 'MX') exchanges.push(record)
    else others.push(record)
  }
  return [...cnames, ...others, ...shuffle(addresses, random), ...shuffle(exchanges, random)]
}

/** A and AAAA records. */
export const isAddress = ({ type }: ResourceRecord): boolean => type === 'A' || type === 'AAAA'

/** Fisher and Yates's shuffle, in place: every order is as likely. */
function shuffle<T>(items: T[], random: () => number): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    const item = items[last] as T
    items[last] = items[other] as T
    items[other] = item
  }
  return items
}
