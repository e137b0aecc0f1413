import { describeError } from '#runtime/error.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { type Expression, parseExpression } from '../../expression/parser.ts'
import { queryScope } from '../../expression/query-scope.ts'
import type { Query } from '../../message.ts'
import type { PluginDefinition } from '../../plugin.ts'

/** `view`: its block answers only queries for which all its expressions are true. */
export const view: PluginDefinition = {
  name: 'view',
  repeatable: false,
  setup([directive]) {
    if (directive === undefined) throw new TypeError('view: set up without directive')
    const conditions = parseView(directive)
    return { name: 'view', filter: query => conditions.every(holds => isTrue(holds, query)) }
  },
}

/** Values that do not fit an operator make an expression false: the query belongs to another block. */
function isTrue(expression: Expression<Query>, query: Query): boolean {
  try {
    return expression(query) === true
  } catch {
    return false
  }
}

function parseView(directive: Directive): readonly Expression<Query>[] {
  const problems = new DirectiveProblems('view')
  const { args, block = [] } = directive
  if (args.length !== 1) problems.add(directive, 'needs one name, e.g. view internal { expr ... }')
  if (block.length === 0)
    problems.add(directive, "needs a line: expr incidr(client_ip(), '10.0.0.0/8')")
  const conditions = block.flatMap(line => {
    if (line.name !== 'expr') {
      problems.add(line, 'unknown option, there is: expr')
      return []
    }
    try {
      return [parseExpression(line.args.join(' '), queryScope)]
    } catch (error) {
      problems.add(line, describeError(error))
      return []
    }
  })
  problems.throwIfAny()
  return conditions
}
