import { describeError } from '#runtime/error.ts'
import { parseInteger, readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { type Expression, parseExpression } from '../../expression/parser.ts'
import { queryScopeWithMetadata } from '../../expression/query-scope.ts'
import { extendedError } from '../../extended-error.ts'
import type { EdnsOption, Query } from '../../message.ts'
import { parseRegex } from '../../regex.ts'
import { classes, rcodes, recordTypes } from '../../wire/mnemonics.ts'
import { readFallthrough } from '../fallthrough.ts'
import { hasArguments, type OptionReader, readOptions } from '../option-readers.ts'
import { parseTemplate } from './go-template/template.ts'
import type { TemplateValue } from './go-template/values.ts'

export type Section = 'answer' | 'additional' | 'authority'

/** One record of the reply, before it is known what is asked. */
export type RecordTemplate = {
  readonly section: Section
  /** As in the Corefile, for metrics. */
  readonly text: string
  readonly write: (data: TemplateValue) => string
}

/** What a `template` directive says. */
export type TemplateOptions = {
  /** undefined: any. */
  readonly class: string | undefined
  readonly type: string | undefined
  readonly zones: readonly string[]
  /** The first that matches counts. */
  readonly patterns: readonly RegExp[]
  readonly records: readonly RecordTemplate[]
  readonly rcode: string
  readonly ednsOptions: readonly EdnsOption[]
  readonly variables: readonly { readonly name: string; readonly value: Expression<Query> }[]
  /** All must be true. */
  readonly conditions: readonly Expression<Query>[]
  readonly fallthrough: readonly string[] | undefined
}

type Draft = {
  patterns: RegExp[]
  records: RecordTemplate[]
  rcode: string
  ednsOptions: EdnsOption[]
  variables: { name: string; value: Expression<Query> }[]
  conditions: Expression<Query>[]
  fallthrough: readonly string[] | undefined
}

/** Reads a `template` directive. @throws {ConfigError} */
export function parseTemplateDirective(
  directive: Directive,
  blockZones: readonly string[],
): TemplateOptions {
  const problems = new DirectiveProblems('template')
  const [classText = '', typeText = '', ...names] = directive.args
  const classNumber = classes.toNumber(classText)
  const typeNumber = recordTypes.toNumber(typeText)
  if (classNumber === undefined || typeNumber === undefined) {
    problems.add(directive, 'needs a class and a type, e.g. template IN A example.org')
  }
  const draft: Draft = {
    patterns: [],
    records: [],
    rcode: 'NOERROR',
    ednsOptions: [],
    variables: [],
    conditions: [],
    fallthrough: undefined,
  }
  const zones = names.length > 0 ? readZones(directive, names, problems) : blockZones
  readOptions(directive, draft, readers, problems)
  const wanted = {
    class: classes.toText(classNumber ?? 0),
    type: recordTypes.toText(typeNumber ?? 0),
  }
  return {
    ...draft,
    patterns: draft.patterns.length > 0 ? draft.patterns : [/^.*/s],
    class: wanted.class === 'ANY' ? undefined : wanted.class,
    type: wanted.type === 'ANY' ? undefined : wanted.type,
    zones,
  }
}

const recordReader =
  (section: Section): OptionReader<Draft> =>
  (option, draft, problems) => {
    if (option.args.length === 0) problems.add(option, 'needs a record, in quotes')
    for (const text of option.args) {
      const write = attempt(option, problems, () => parseTemplate(text))
      if (write !== undefined) draft.records.push({ section, text, write })
    }
  }

const readers: Readonly<Record<string, OptionReader<Draft>>> = {
  match(option, draft, problems) {
    if (option.args.length === 0) problems.add(option, 'needs a pattern')
    for (const text of option.args) {
      const pattern = parseRegex(text)
      if (typeof pattern === 'string') problems.add(option, pattern)
      else draft.patterns.push(pattern)
    }
  },
  answer: recordReader('answer'),
  additional: recordReader('additional'),
  authority: recordReader('authority'),
  rcode(option, draft, problems) {
    if (!hasArguments(option, 1, problems)) return
    const number = rcodes.toNumber(option.args[0] ?? '')
    if (number === undefined) problems.add(option, `'${option.args[0]}' is no rcode, e.g. NXDOMAIN`)
    else draft.rcode = rcodes.toText(number)
  },
  ederror(option, draft, problems) {
    const code = parseInteger(option.args[0], 0, 0xffff)
    if (code === undefined || option.args.length > 2) {
      problems.add(option, 'needs a number of RFC 8914 and may have a text')
    } else draft.ednsOptions.push(extendedError(code, option.args[1]))
  },
  var(option, draft, problems) {
    const [name = '', ...words] = option.args
    if (!/^[A-Za-z_]\w*$/.test(name) || words.length === 0) {
      problems.add(option, 'needs a name and an expression')
      return
    }
    const value = attempt(option, problems, () =>
      parseExpression(words.join(' '), queryScopeWithMetadata),
    )
    if (value !== undefined) draft.variables.push({ name, value })
  },
  expr(option, draft, problems) {
    const condition = attempt(option, problems, () =>
      parseExpression(option.args.join(' '), queryScopeWithMetadata),
    )
    if (condition !== undefined) draft.conditions.push(condition)
  },
  fallthrough(option, draft, problems) {
    draft.fallthrough = readFallthrough(option, problems)
  },
  upstream: () => undefined,
}

function attempt<T>(option: Directive, problems: DirectiveProblems, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    problems.add(option, describeError(error))
    return undefined
  }
}
