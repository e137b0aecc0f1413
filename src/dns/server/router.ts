import { ancestorsOf } from '../name.ts'

/** What answers for a zone. */
export type Route<Block> = { readonly zone: string; readonly block: Block }

/**
 * The block with the longest zone that the name is in, or undefined. A DS record lies in the parent zone (RFC 4035 section
 * 3.1.4.1), so for that type the next block further up wins where there is one; the root's does not count, as in CoreDNS. (With
 * three nested blocks CoreDNS takes the topmost; the parent is right.)
 */
export function routeQuery<Block>(
  zones: ReadonlyMap<string, Block>,
  { name, type }: { readonly name: string; readonly type: string },
): Route<Block> | undefined {
  const matches = ancestorsOf(name.toLowerCase())
    .filter(zone => zones.has(zone))
    .map(zone => ({ zone, block: zones.get(zone) as Block }))
  const found = matches.next().value
  if (type !== 'DS') return found
  const parent = matches.next().value
  return parent === undefined || parent.zone === '.' ? found : parent
}
