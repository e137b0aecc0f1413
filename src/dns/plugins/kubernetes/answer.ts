import type { Query, Reply } from '../../message.ts'
import type { Handler } from '../../plugin.ts'
import type { Outcome } from '../../zone/outcome.ts'
import { type ReplyContext, replyFrom } from './reply.ts'

/** How many look-ups may lead to one another, so that aliases of several zones cannot chase each other forever. */
const MAX_LOOKUPS = 8

type AliasContext = ReplyContext & {
  readonly query: Query
  readonly signal: AbortSignal
  readonly lookup: Handler
}

/**
 * The chain with what its target has. A look-up that fails brings nothing, so the chain stands alone; one that is dropped
 * leaves nothing to say.
 */
export async function answerAlias(
  { chain, target }: Extract<Outcome, { readonly kind: 'alias' }>,
  context: AliasContext,
): Promise<Reply> {
  const { query, signal, lookup } = context
  const lookups = (query.lookups ?? 0) + 1
  if (lookups > MAX_LOOKUPS) return replyFrom({ kind: 'no-data' }, context)
  const question = { ...query.question, name: target }
  const found = await attempt(() => lookup({ ...query, question, lookups }, signal))
  signal.throwIfAborted()
  if (found === undefined) return replyFrom({ kind: 'no-data' }, context)
  const answers = [...chain, ...found.answers]
  const whole = replyFrom({ kind: 'answer', answers, additionals: [] }, context)
  return { ...whole, truncated: found.truncated }
}

type Answers = Pick<Reply, 'answers' | 'truncated'>

async function attempt(run: () => ReturnType<Handler>): Promise<Answers | undefined> {
  try {
    return await run()
  } catch {
    return { answers: [], truncated: false }
  }
}
