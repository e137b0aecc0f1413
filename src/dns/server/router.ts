import { ancestorsOf } from '../name.ts'

/** What answers for a zone. */
export type Route<Block> = { readonly zone: string; readonly block: Block }

/**
 * The block with the longest zone that the name is in, or undefined. A DS record lies in the parent zone (RFC 4035 section
 * 3.1.4.1), so for that type the next block further up wins where there is one; the root's does not count, as in CoreDNS. (With
 * three nested blocks CoreDNS takes the topmost; the parent is right.)
 */
export function routeQuery<Block>(
  zones: ReadonlyMap<string, readonly Block[]>,
  { name, type }: { readonly name: string; readonly type: string },
  takes: (block: Block) => boolean = () => true,
): Route<Block> | undefined {
  const matches = matchesOf(zones, name.toLowerCase(), takes)
  const found = matches.next().value
  if (type !== 'DS') return found
  const parent = matches.next().value
  return parent === undefined || parent.zone === '.' ? found : parent
}

/** The zones that the name is in, longest first, each with its first block that takes the query; others are passed over. */
function* matchesOf<Block>(
  zones: ReadonlyMap<string, readonly Block[]>,
  lowerName: string,
  takes: (block: Block) => boolean,
): Generator<Route<Block>, undefined> {
  for (const zone of ancestorsOf(lowerName)) {
    const block = zones.get(zone)?.find(takes)
    if (block !== undefined) yield { zone, block }
  }
  return undefined
}
