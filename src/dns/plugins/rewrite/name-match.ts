import { parseRegex } from '../../regex.ts'

/** Makes another name of one in lower case; undefined: it does not fit. */
export type NameMap = (name: string) => string | undefined

export type MatchKind = 'exact' | 'prefix' | 'suffix' | 'substring' | 'regex'

const KINDS: readonly string[] = ['exact', 'prefix', 'suffix', 'substring', 'regex']

export const isMatchKind = (word: string | undefined): word is MatchKind =>
  word !== undefined && KINDS.includes(word)

/** As CoreDNS reads the words of a rule: lower case, with a final dot, whatever they are. */
export const dotted = (text: string): string =>
  text.endsWith('.') ? text.toLowerCase() : `${text.toLowerCase()}.`

/** The map of a rule's two words. A string says what is wrong. */
export function nameMap(kind: MatchKind, from: string, to: string): NameMap | string {
  if (kind === 'regex') return regexMap(from, dotted(to))
  return plainMap(kind, dotted(from), dotted(to))
}

function plainMap(kind: Exclude<MatchKind, 'regex'>, from: string, to: string): NameMap {
  switch (kind) {
    case 'exact':
      return name => (name === from ? to : undefined)
    case 'prefix':
      return name => (name.startsWith(from) ? to + name.slice(from.length) : undefined)
    case 'suffix':
      return name => (name.endsWith(from) ? name.slice(0, -from.length) + to : undefined)
    case 'substring':
      return name => (name.includes(from) ? name.replaceAll(from, () => to) : undefined)
  }
}

/** `{0}` … in the target are the groups of the pattern, which may fit anywhere in the name. A string says what is wrong. */
export function regexMap(from: string, to: string): NameMap | string {
  const pattern = parseRegex(from)
  if (typeof pattern === 'string') return pattern
  return name => {
    const groups = pattern.exec(name)
    return groups?.length === undefined
      ? undefined
      : to.replace(/\{(\d{1,2})\}/g, (_, index: string) => groups[Number(index)] ?? '')
  }
}

/** Does a name fit? For the rules that change something else than the name. A string says what is wrong. */
export function nameTest(kind: MatchKind, text: string): ((name: string) => boolean) | string {
  const map = nameMap(kind, text, '.')
  return typeof map === 'string' ? map : name => map(name) !== undefined
}
