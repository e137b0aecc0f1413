import type { IpFamily } from '#net/ip.ts'

/** Something in a table that has the comment of an attachment, and how to name it. */
export type MarkedThing = {
  readonly family: IpFamily
  readonly comment: string
  readonly at:
    | { readonly kind: 'element'; readonly container: string; readonly key: string }
    | { readonly kind: 'rule'; readonly chain: string; readonly handle: number }
}

type Container = { readonly name: string; readonly elem?: readonly unknown[] }
type Item = {
  readonly set?: Container
  readonly map?: Container
  readonly rule?: { readonly chain: string; readonly handle: number; readonly comment?: string }
}

/**
 * What in `nft -j list table`'s text (libnftables-json(5)) has a comment.
 * @throws {SyntaxError} it is not JSON.
 */
export function parseHostPortListing(text: string, family: IpFamily): readonly MarkedThing[] {
  const { nftables = [] } = JSON.parse(text) as { readonly nftables?: readonly Item[] }
  return nftables.flatMap(({ set, map, rule }) => {
    const container = map ?? set
    if (container !== undefined) {
      return (container.elem ?? []).flatMap(element => markedElement(family, container, element))
    }
    if (rule?.comment === undefined) return []
    const { chain, handle, comment } = rule
    return [{ family, comment, at: { kind: 'rule', chain, handle } } as const]
  })
}

function markedElement(
  family: IpFamily,
  { name }: Container,
  element: unknown,
): readonly MarkedThing[] {
  const key: unknown = Array.isArray(element) ? element[0] : element
  const { elem } = key as { readonly elem?: { readonly val: unknown; readonly comment?: string } }
  if (elem?.comment === undefined) return []
  const at = { kind: 'element', container: name, key: keyText(elem.val) } as const
  return [{ family, comment: elem.comment, at }]
}

/** A key as nft's own language writes it. */
function keyText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  const { concat, prefix } = value as {
    readonly concat?: readonly unknown[]
    readonly prefix?: { readonly addr: string; readonly len: number }
  }
  if (concat !== undefined) return concat.map(keyText).join(' . ')
  return prefix === undefined ? JSON.stringify(value) : `${prefix.addr}/${prefix.len}`
}
