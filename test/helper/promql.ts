/** A metric that an expression reads, and the labels that it is asked for by name. */
export type Selector = { readonly metric: string; readonly labels: readonly string[] }

export type ReadByPromql = {
  readonly selectors: readonly Selector[]
  /** Those that results are grouped, joined or kept by. */
  readonly groupLabels: readonly string[]
}

const keywords = new Set(['and', 'or', 'unless', 'offset', 'bool', 'atan2', 'inf', 'nan'])
const groupings = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'])

/** Strings, durations in brackets, numbers with units, names, and single characters. */
const TOKEN = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|\d[\w.]*|[A-Za-z_:][\w:]*|\S/g

/**
 * Which metrics and labels an expression of PromQL names. Reads tokens, not grammar: what is no PromQL is promtool's to tell.
 * @throws {Error} braces or parentheses that do not end.
 */
export function readByPromql(expression: string): ReadByPromql {
  const tokens = expression.match(TOKEN) ?? []
  const selectors: Selector[] = []
  const groupLabels: string[] = []
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? ''
    if (!/^[A-Za-z_:]/.test(token) || keywords.has(token.toLowerCase())) continue
    if (groupings.has(token)) {
      if (tokens[at + 1] !== '(') continue
      const end = endOf(tokens, at + 1, ')')
      groupLabels.push(...tokens.slice(at + 2, end).filter(isName))
      at = end
    } else if (tokens[at + 1] === '{') {
      const end = endOf(tokens, at + 1, '}')
      const labels = tokens.slice(at + 2, end).filter(isName)
      selectors.push({ metric: token, labels })
      at = end
    } else if (tokens[at + 1] !== '(' && !groupings.has(tokens[at + 1] ?? '')) {
      selectors.push({ metric: token, labels: [] })
    }
  }
  return { selectors, groupLabels }
}

const isName = (token: string): boolean => /^[A-Za-z_]\w*$/.test(token)

function endOf(tokens: readonly string[], from: number, closing: string): number {
  const end = tokens.indexOf(closing, from)
  if (end === -1) throw new Error(`no '${closing}' in ${tokens.slice(from).join(' ')}`)
  return end
}
