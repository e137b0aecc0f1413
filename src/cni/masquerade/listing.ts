import { familyOf, type IpAddress, parseIp } from '#net/ip.ts'
import type { MasqueradeElement } from './render.ts'

/**
 * The elements in what `nft -j list table` prints (libnftables-json(5)). What is not shaped like an element of ours is
 * left out: somebody else wrote it.
 * @throws {SyntaxError} it is not JSON.
 */
export function parseMasqueradeListing(text: string): readonly MasqueradeElement[] {
  const items = listAt(JSON.parse(text), 'nftables')
  return items
    .flatMap(item => listAt(at(item, 'map'), 'elem'))
    .map(elementFrom)
    .filter(element => element !== undefined)
}

/** `[{ "elem": { "val": ADDRESS, "comment": TEXT } }, VERDICT]` */
function elementFrom(pair: unknown): MasqueradeElement | undefined {
  const element = Array.isArray(pair) ? at(pair[0], 'elem') : undefined
  const address = ipAt(element, 'val')
  const comment = at(element, 'comment')
  if (address === undefined || typeof comment !== 'string') return undefined
  return { family: familyOf(address), address, comment }
}

function ipAt(value: unknown, key: string): IpAddress | undefined {
  const text = at(value, key)
  return typeof text === 'string' ? parseIp(text) : undefined
}

const at = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined

function listAt(value: unknown, key: string): readonly unknown[] {
  const list = at(value, key)
  return Array.isArray(list) ? list : []
}
