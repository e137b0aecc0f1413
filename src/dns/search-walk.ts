import { type Query, type Reply, type ResourceRecord } from './message.ts'
import { isInZone, joinName, normalizeName } from './name.ts'
import type { Handler } from './plugin.ts'

/** A question whose name a resolver made by a search list, and how the other names that it would try are asked. */
export type SearchWalk = {
  readonly query: Query
  /** What the resolver was given, see {@link baseUnder}. */
  readonly base: string
  /** Lower case, ending in a dot, the one of the question first; `.` stands for the base alone. */
  readonly suffixes: readonly string[]
  /** Asks what was asked. */
  readonly askFirst: () => ReturnType<Handler>
  readonly askOther: (query: Query) => ReturnType<Handler>
  /** Told when a name was found. */
  readonly onFound: () => void
}

/**
 * What stands before the first suffix of a search list, in the letter case of `name` and ending in a dot; undefined: the list
 * has not made this name.
 */
export function baseUnder(name: string, [first]: readonly string[]): string | undefined {
  if (first === undefined || first === '.') return undefined
  const lowerName = name.toLowerCase()
  if (lowerName === first || !isInZone(lowerName, first)) return undefined
  return name.slice(0, -first.length)
}

/**
 * What a resolver would have found by walking its list: the first answer that does not deny its name, else the first of all.
 * Whether a name exists does not depend on the type that is asked for, so A and AAAA end at the same name.
 */
export async function walkSearch(walk: SearchWalk): Promise<Reply | undefined> {
  const { query, base, suffixes, askFirst, askOther, onFound } = walk
  let first: Reply | undefined
  for (const [index, suffix] of suffixes.entries()) {
    const name = suffix === '.' ? base : joinName(base.slice(0, -1), suffix)
    // What the list makes longer than a name can be does not exist.
    if (normalizeName(name) === undefined) continue
    const answer = await (index === 0
      ? askFirst()
      : askOther({ ...query, question: { ...query.question, name } }))
    if (answer === undefined) return undefined
    if (index === 0) first = answer
    if (answer.rcode === 'NXDOMAIN') continue
    onFound()
    return index === 0 ? answer : aliased(answer, query.question.name)
  }
  return first
}

/** An answer to another name needs an alias from the one that was asked. */
function aliased(answer: Reply, asked: string): Reply {
  const [first] = answer.answers
  if (first === undefined || first.name.toLowerCase() === asked.toLowerCase()) return answer
  const alias: ResourceRecord = {
    name: asked,
    type: 'CNAME',
    class: 'IN',
    ttl: first.ttl,
    data: first.name,
  }
  return { ...answer, answers: [alias, ...answer.answers] }
}
