import { isRecordOf, type Query, type Reply } from '../message.ts'
import type { Handler } from '../plugin.ts'

/** How many look-ups may lead to one another, so that aliases of several zones cannot chase each other forever. */
export const MAX_LOOKUPS = 8

type Following = { readonly query: Query; readonly signal: AbortSignal; readonly lookup: Handler }

/**
 * A reply whose last answer is an alias, with what the server has of its target behind it; others as they are. Only questions for
 * addresses are followed. A look-up that fails leaves the alias alone.
 */
export function followAlias(answer: Reply, following: Following): Reply | Promise<Reply> {
  const last = answer.answers.at(-1)
  const { type } = following.query.question
  const isAlias =
    last !== undefined && isRecordOf(last, 'CNAME') && (type === 'A' || type === 'AAAA')
  return isAlias ? withTarget(answer, last.data, following) : answer
}

async function withTarget(answer: Reply, target: string, following: Following): Promise<Reply> {
  const found = await lookUp(target, following)
  if (found === undefined) return answer
  return {
    ...answer,
    answers: [...answer.answers, ...found.answers],
    truncated: answer.truncated || found.truncated,
  }
}

/** What the server answers to the same question for another name; undefined when that fails or leads too far. */
export async function lookUp(
  name: string,
  { query, signal, lookup }: Following,
): Promise<Reply | undefined> {
  const lookups = (query.lookups ?? 0) + 1
  if (lookups > MAX_LOOKUPS) return undefined
  try {
    return await lookup({ ...query, question: { ...query.question, name }, lookups }, signal)
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}
