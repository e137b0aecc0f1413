import type { Query, Reply } from '../../message.ts'
import { normalizeName } from '../../name.ts'
import { Unanswered } from '../../unanswered.ts'
import {
  dotted,
  isMatchKind,
  type MatchKind,
  type NameMap,
  nameMap,
  regexMap,
} from './name-match.ts'
import { type NamePlace, withNames } from './record-names.ts'
import type { ParsedRule } from './rule.ts'

/** How names in the answer are changed. */
type AnswerRule = { readonly place: NamePlace; readonly map: NameMap }

/**
 * Reads `[KIND] FROM TO [answer auto|name RE TO|value RE TO]...`. A string says what is wrong.
 */
export function parseNameRule(words: readonly string[]): ParsedRule | string {
  const kind = isMatchKind(words[0]) ? words[0] : 'exact'
  const [from, to, ...options] = isMatchKind(words[0]) ? words.slice(1) : words
  if (from === undefined || to === undefined)
    return `name ${kind} needs what to look for and what to make of it`
  const map = nameMap(kind, from, to)
  if (typeof map === 'string') return map
  const answers = parseAnswers(options)
  if (typeof answers === 'string') return answers
  if (answers.auto && kind === 'regex')
    return 'answer auto cannot turn a pattern round, write answer name'
  // What was an exact name comes back as it went, so that the answer belongs to the question.
  const goesBack = answers.auto || (kind === 'exact' && answers.rules.length === 0)
  const ways = { kind, from: dotted(from), to: dotted(to), goesBack }
  return query => {
    const asked = query.question.name
    const name = rewritten(asked, map)
    if (name === undefined) return undefined
    const rules = [...(goesBack ? wayBack(ways, asked, name) : []), ...answers.rules]
    return {
      query: withName(query, name),
      ...(rules.length === 0 ? {} : { onReply: reply => rules.reduce(changed, reply) }),
    }
  }
}

const changed = (reply: Reply, { place, map }: AnswerRule): Reply => withNames(reply, place, map)

const withName = (query: Query, name: string): Query => ({
  ...query,
  question: { ...query.question, name },
})

/** @throws {Unanswered} what comes out is no name. */
function rewritten(asked: string, map: NameMap): string | undefined {
  const text = map(asked.toLowerCase())
  if (text === undefined) return undefined
  const name = normalizeName(text)
  if (name !== undefined) return name
  throw new Unanswered(
    'SERVFAIL',
    `rewrite: '${text.slice(0, 80)}', made of '${asked}', is no name`,
  )
}

/** Suffixes come back in every name that has them, other kinds in the name that was asked. */
function wayBack(
  { kind, from, to }: { readonly kind: MatchKind; readonly from: string; readonly to: string },
  asked: string,
  name: string,
): readonly AnswerRule[] {
  const back = kind === 'suffix' ? nameMap('suffix', to, from) : nameMap('exact', name, asked)
  if (typeof back === 'string') return []
  // The name that was asked keeps the letter case of the client.
  const map: NameMap = text => (text === name ? asked : back(text))
  return [
    { place: 'owner', map },
    { place: 'data', map },
  ]
}

function parseAnswers(
  words: readonly string[],
): { readonly auto: boolean; readonly rules: readonly AnswerRule[] } | string {
  const rules: AnswerRule[] = []
  let auto = false
  for (const rest = [...words]; rest.length > 0; ) {
    const [answer, what] = rest.splice(0, 2)
    if (answer === 'answer' && what === 'auto') {
      auto = true
      continue
    }
    const [from, to] = rest.splice(0, 2)
    if (answer !== 'answer' || (what !== 'name' && what !== 'value') || to === undefined) {
      return `'${words.join(' ')}' is not understood; after the names may stand: answer auto, answer name REGEX TO, answer value REGEX TO`
    }
    const map = regexMap(from ?? '', dotted(to))
    if (typeof map === 'string') return map
    rules.push({ place: what === 'name' ? 'owner' : 'data', map })
  }
  return { auto, rules }
}
