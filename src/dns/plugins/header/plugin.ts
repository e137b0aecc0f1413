import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import type { Query, Reply } from '../../message.ts'
import type { PluginDefinition } from '../../plugin.ts'

type Flag = 'aa' | 'ra' | 'rd'

/** One flag of queries or answers and what it is made. */
type Change = { readonly of: 'query' | 'response'; readonly flag: Flag; readonly value: boolean }

const FLAGS: readonly string[] = ['aa', 'ra', 'rd']

/** `header`: sets and clears flags in the header of queries and answers. */
export const header: PluginDefinition = {
  name: 'header',
  repeatable: true,
  setup(directives) {
    const changes = directives.flatMap(parseHeader)
    const ofQuery = changes.filter(change => change.of === 'query')
    const ofResponse = changes.filter(change => change.of === 'response')
    return {
      name: 'header',
      wrap: next => async (query, signal) => {
        const reply = await next(withQueryFlags(query, ofQuery), signal)
        return reply && withReplyFlags(reply, ofResponse)
      },
    }
  },
}

function parseHeader(directive: Directive): readonly Change[] {
  const problems = new DirectiveProblems('header')
  const { args, block = [] } = directive
  if (args.length > 0) problems.add(directive, `takes no argument, remove '${args.join(' ')}'`)
  if (block.length === 0) problems.add(directive, 'changes nothing; write e.g. header { set ra }')
  const changes = block.flatMap(line => parseLine(line, problems))
  problems.throwIfAny()
  return changes
}

/** `[query|response] set|clear FLAGS...`; without the first word it is of responses. */
function parseLine(line: Directive, problems: DirectiveProblems): readonly Change[] {
  const words = [line.name, ...line.args]
  const of =
    words[0] === 'query' || words[0] === 'response' ? (words.shift() as Change['of']) : 'response'
  const [action, ...flags] = words
  if (action !== 'set' && action !== 'clear') {
    problems.add(line, `'${action ?? ''}' is neither set nor clear`)
    return []
  }
  if (flags.length === 0) problems.add(line, `names no flag, there are: ${FLAGS.join(', ')}`)
  return flags.flatMap(text => {
    const flag = text.toLowerCase()
    if (!FLAGS.includes(flag)) problems.add(line, `'${text}' is none of ${FLAGS.join(', ')}`)
    return { of, flag: flag as Flag, value: action === 'set' }
  })
}

/** AA and RA say nothing in a query (RFC 1035 section 4.1.1), so only RD is changed there. */
function withQueryFlags(query: Query, changes: readonly Change[]): Query {
  const change = changes.findLast(({ flag }) => flag === 'rd')
  return change === undefined ? query : { ...query, recursionDesired: change.value }
}

const fields = {
  aa: 'authoritative',
  ra: 'recursionAvailable',
  rd: 'recursionDesired',
} as const

const withReplyFlags = (reply: Reply, changes: readonly Change[]): Reply =>
  changes.reduce<Reply>(
    (changed, { flag, value }) => ({ ...changed, [fields[flag]]: value }),
    reply,
  )
