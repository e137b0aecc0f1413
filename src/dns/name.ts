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

/** Is there a dot at `index` that ends a label, that is, one that no backslash escapes? */
function isLabelEnd(name: string, index: number): boolean {
  if (name[index] !== '.') return false
  let backslashes = 0
  while (name[index - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 0
}
