import type { Query, Reply } from '../../message.ts'
import type { Handler } from '../../plugin.ts'

/** What a rule that fits does: the query goes on changed, and the reply comes back changed. */
export type Applied = {
  readonly query: Query
  readonly onReply?: (reply: Reply, context: ReplyContext) => Reply | Promise<Reply>
  /** Does {@link onReply} change rcodes? Then it is told of answers that only the server would write, too. */
  readonly changesRcode?: boolean
}

export type ReplyContext = {
  readonly query: Query
  readonly signal: AbortSignal
  readonly lookup: Handler
}

/** One rule. */
export type Rule = {
  /** No rule after this one is looked at when it fits. */
  readonly stops: boolean
  /** undefined: it does not fit. */
  readonly apply: (query: Query) => Applied | undefined
}

/** As {@link Rule}, before it is known whether it stops. */
export type ParsedRule = Rule['apply']
