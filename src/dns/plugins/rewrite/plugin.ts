import { type Query, type Reply, reply } from '../../message.ts'
import type { Handler, PluginDefinition } from '../../plugin.ts'
import { isCrash, rcodeOfError } from '../../unanswered.ts'
import { parseRewrite } from './options.ts'
import type { Applied, Rule } from './rule.ts'

/** `rewrite`: changes queries on their way in and answers on their way out. The client sees its own question. */
export const rewrite: PluginDefinition = {
  name: 'rewrite',
  repeatable: true,
  setup(directives, { lookup }) {
    const rules = directives.flatMap(parseRewrite)
    return {
      name: 'rewrite',
      wrap: next => (query, signal) => {
        const applied = applyRules(rules, query)
        const last = applied.at(-1)
        if (last === undefined) return next(query, signal)
        const answers = applied.filter(({ onReply }) => onReply !== undefined)
        if (answers.length === 0) return next(last.query, signal)
        return throughRules(answers, { query: last.query, next, signal, lookup })
      },
    }
  },
}

/** The rules that fit, in order; each sees what those before it made of the query. */
function applyRules(rules: readonly Rule[], query: Query): readonly Applied[] {
  const applied: Applied[] = []
  let current = query
  for (const { stops, apply } of rules) {
    const result = apply(current)
    if (result === undefined) continue
    applied.push(result)
    current = result.query
    if (stops) break
  }
  return applied
}

type Asking = {
  readonly query: Query
  readonly next: Handler
  readonly signal: AbortSignal
  readonly lookup: Handler
}

/** The answer, changed by the rules in reverse order. */
async function throughRules(
  applied: readonly Applied[],
  { query, next, signal, lookup }: Asking,
): Promise<Reply | undefined> {
  const writesErrors = applied.some(({ changesRcode }) => changesRcode === true)
  let answer = await (writesErrors ? written(next, query, signal) : next(query, signal))
  if (answer === undefined) return undefined
  for (const { onReply } of applied.toReversed()) {
    answer = (await onReply?.(answer, { query, signal, lookup })) ?? answer
  }
  return answer
}

/** What plugins behind leave to the server to write is written here, for its rcode may be changed. */
async function written(
  next: Handler,
  query: Query,
  signal: AbortSignal,
): Promise<Reply | undefined> {
  try {
    return await next(query, signal)
  } catch (error) {
    if (isCrash(error) || signal.aborted) throw error
    return reply({ rcode: rcodeOfError(error) })
  }
}
