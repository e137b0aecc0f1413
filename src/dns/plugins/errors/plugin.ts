import { describeError } from '#runtime/error.ts'
import type { LineLog } from '../../line-log.ts'
import type { Query } from '../../message.ts'
import type { PluginDefinition } from '../../plugin.ts'
import { rcodeOfError } from '../../unanswered.ts'
import { rcodes } from '../../wire/mnemonics.ts'
import { type ConsolidateRule, parseErrors } from './config.ts'

/** Characters of a cause that patterns look at and lines show. */
const MAX_CAUSE_LENGTH = 1024

/** `errors`: one line for every query that the plugins behind it could not answer. */
export const errors: PluginDefinition = {
  name: 'errors',
  repeatable: false,
  setup([directive], { lines }) {
    const summaries =
      directive === undefined ? [] : parseErrors(directive).map(rule => new Summary(rule, lines))
    return {
      name: 'errors',
      fastPath: true,
      wrap: next => async (query, signal) => {
        try {
          return await next(query, signal)
        } catch (error) {
          report(error, query, { lines, summaries })
          throw error
        }
      },
      stop() {
        for (const summary of summaries) summary.flush()
      },
    }
  },
}

function report(
  error: unknown,
  { question }: Query,
  { lines, summaries }: { lines: LineLog; summaries: readonly Summary[] },
): void {
  const cause = describeError(error).slice(0, MAX_CAUSE_LENGTH)
  // As CoreDNS writes it: the rcode is a number.
  const rcode = rcodes.toNumber(rcodeOfError(error))
  const text = `plugin/errors: ${rcode} ${question.name.toLowerCase()} ${question.type}: ${cause}`
  const summary = summaries.find(({ rule }) => rule.pattern.test(cause))
  if (summary === undefined) lines.line('ERROR', text)
  else summary.count(text)
}

/** Counts the errors of one rule; a period begins with its first error and ends with a line. */
class Summary {
  readonly rule: ConsolidateRule
  readonly #lines: LineLog
  #count = 0
  #timer: NodeJS.Timeout | undefined

  constructor(rule: ConsolidateRule, lines: LineLog) {
    this.rule = rule
    this.#lines = lines
  }

  count(text: string): void {
    if (++this.#count > 1) return
    this.#timer = setTimeout(() => this.flush(), this.rule.periodMs)
    this.#timer.unref()
    if (this.rule.showFirst) this.#lines.line(this.rule.level, text)
  }

  /** Ends the period. An error that was shown needs no summary of one. */
  flush(): void {
    clearTimeout(this.#timer)
    const { level, pattern, period, showFirst } = this.rule
    if (this.#count > (showFirst ? 1 : 0)) {
      const text = `${this.#count} errors like '${pattern.source}' occurred in last ${period}`
      this.#lines.line(level, `plugin/errors: ${text}`)
    }
    this.#count = 0
  }
}
