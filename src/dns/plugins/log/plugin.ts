import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import { isInZone, normalizeName } from '../../name.ts'
import type { Exchange, PluginDefinition } from '../../plugin.ts'
import { classOfReply } from './classify.ts'
import { COMMON_FORMAT, compileFormat } from './format.ts'

/** Which queries are logged, and how. */
type LogRule = {
  readonly name: string
  readonly classes: ReadonlySet<string>
  readonly format: (exchange: Exchange) => string
}

/** `log`: a line for every query. Of several rules the first one whose name fits decides. */
export const log: PluginDefinition = {
  name: 'log',
  repeatable: true,
  setup(directives, { lines }) {
    const rules = directives.flatMap(parseLog)
    return {
      name: 'log',
      observe(exchange) {
        const name = exchange.query.question.name.toLowerCase()
        const rule = rules.find(candidate => isInZone(name, candidate.name))
        if (rule === undefined || !isWanted(rule, exchange)) return
        lines.line('INFO', rule.format(exchange))
      },
    }
  },
}

const isWanted = ({ classes }: LogRule, { reply }: Exchange): boolean =>
  classes.has('all') || (reply !== undefined && classes.has(classOfReply(reply)))

const CLASSES = ['success', 'denial', 'error', 'all']

/** The rules of one `log` directive, one a name. @throws {ConfigError} */
function parseLog(directive: Directive): readonly LogRule[] {
  const last = directive.args.at(-1)
  const hasFormat = last?.includes('{') ?? false
  const format = compileFormat(hasFormat && last !== undefined ? last : COMMON_FORMAT)
  const names = hasFormat ? directive.args.slice(0, -1) : directive.args
  const classes = new Set((directive.block ?? []).flatMap(parseClasses))
  if (classes.size === 0) classes.add('all')
  return (names.length === 0 ? ['.'] : names).map(text => {
    const name = normalizeName(text)
    if (name === undefined) throw directiveError(directive, `'${text}' is not a domain name`)
    return { name, classes, format }
  })
}

function parseClasses(line: Directive): readonly string[] {
  if (line.name !== 'class')
    throw directiveError(line, `unknown option '${line.name}', there is: class`)
  if (line.args.length === 0)
    throw directiveError(line, `needs one or more of ${CLASSES.join(', ')}`)
  const wrong = line.args.find(word => !CLASSES.includes(word))
  if (wrong !== undefined) throw directiveError(line, `'${wrong}' is none of ${CLASSES.join(', ')}`)
  return line.args
}
