import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { parseEdnsRule } from './edns-rule.ts'
import { parseNameRule } from './name-rule.ts'
import { parseCnameRule, parseQuestionRule, parseRcodeRule, parseTtlRule } from './plain-rules.ts'
import type { ParsedRule, Rule } from './rule.ts'

const fields: Readonly<Record<string, (words: readonly string[]) => ParsedRule | string>> = {
  name: parseNameRule,
  type: parseQuestionRule('type'),
  class: parseQuestionRule('class'),
  ttl: parseTtlRule,
  rcode: parseRcodeRule,
  cname: parseCnameRule,
  edns0: parseEdnsRule,
}

/** Reads a `rewrite` directive, whose rules stand in its line or in its braces. @throws {ConfigError} */
export function parseRewrite(directive: Directive): readonly Rule[] {
  const problems = new DirectiveProblems('rewrite')
  const hasMode = directive.args[0] === 'continue' || directive.args[0] === 'stop'
  const stops = directive.args[0] !== 'continue'
  const ownWords = hasMode ? directive.args.slice(1) : directive.args
  const lines = joined(directive, ownWords)
  if (lines.length === 0)
    problems.add(directive, 'has no rule, write e.g. rewrite name a.org b.org')
  const rules = lines.map(({ line, words: [field = '', ...words] }) => {
    const parse = Object.hasOwn(fields, field) ? fields[field] : undefined
    const apply =
      parse?.(words) ?? `unknown field '${field}', there are: ${Object.keys(fields).join(', ')}`
    if (typeof apply !== 'string') return { stops, apply }
    problems.add({ ...line, name: 'rewrite' }, apply)
    return { stops, apply: () => undefined }
  })
  problems.throwIfAny()
  return rules
}

type RuleLine = { readonly line: Directive; readonly words: readonly string[] }

/** In braces every line is a rule; one that begins with `answer` belongs to the line before it. */
function joined(directive: Directive, ownWords: readonly string[]): readonly RuleLine[] {
  const lines: RuleLine[] = ownWords.length > 0 ? [{ line: directive, words: ownWords }] : []
  for (const line of directive.block ?? []) {
    const words = [line.name, ...line.args]
    const last = lines.at(-1)
    if (line.name === 'answer' && last !== undefined) {
      lines[lines.length - 1] = { ...last, words: [...last.words, ...words] }
    } else lines.push({ line, words })
  }
  return lines
}
