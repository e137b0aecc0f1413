import { labelsOf, nameOf } from './wire/name.ts'
import { WireError } from './wire/wire-error.ts'

/** The name in lower case, fully qualified and with canonical escapes; undefined when the text is no name. */
export function normalizeName(text: string): string | undefined {
  try {
    return nameOf(labelsOf(text)).toLowerCase()
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}

/** Is `name` the zone's apex or below it? Both in the same letter case, ending in a dot. */
export function isInZone(name: string, zone: string): boolean {
  if (name === zone || zone === '.') return true
  const cut = name.length - zone.length
  return cut > 0 && name.endsWith(zone) && isLabelEnd(name, cut - 1)
}

/** The names above and including `name`, longest first, down to the root: `a.b.`, `b.`, `.`. */
export function* ancestorsOf(name: string): Generator<string> {
  yield name
  if (name === '.') return
  for (let index = 0; index < name.length - 1; index++) {
    if (isLabelEnd(name, index)) yield name.slice(index + 1)
  }
  yield '.'
}

/** The labels of a name in presentation form, leftmost first, without the root. An escaped dot is part of its label. */
export function splitLabels(name: string): readonly string[] {
  if (name.includes('\\')) return name.match(/(?:\\.|[^.\\])+/gs) ?? []
  return name.split('.').filter(label => label !== '')
}

/** The longest of `zones` that holds `name`, or undefined. All lower case. */
export function longestZone(zones: readonly string[], name: string): string | undefined {
  let longest: string | undefined
  for (const zone of zones) {
    if (isInZone(name, zone) && zone.length > (longest?.length ?? 0)) longest = zone
  }
  return longest
}

/** `path` below `zone`: `web.default.svc` and `cluster.local.` give `web.default.svc.cluster.local.`. */
export const joinName = (path: string, zone: string): string =>
  zone === '.' ? `${path}.` : `${path}.${zone}`

/** The name with its final dot. */
export const toFqdn = (name: string): string => (name.endsWith('.') ? name : `${name}.`)

/** Can this text of a Service's externalName be a name in a message? (RFC 1035 section 2.3.4: the sizes.) */
export function isHostName(text: string): boolean {
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  return name.length <= 253 && name.split('.').every(label => /^[!-[\]-~]{1,63}$/.test(label))
}

/** Is there a dot at `index` that ends a label, that is, one that no backslash escapes? */
function isLabelEnd(name: string, index: number): boolean {
  if (name[index] !== '.') return false
  let backslashes = 0
  while (name[index - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 0
}
