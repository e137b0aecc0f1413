import type { Value } from '../../expression/operators.ts'
import type { Query } from '../../message.ts'
import { printed, type TemplateValue } from './go-template/values.ts'
import type { TemplateOptions } from './options.ts'

/** A template that answers a query, and what of the name its pattern took. */
export type Matched = {
  readonly options: TemplateOptions
  readonly zone: string
  readonly match: RegExpExecArray
  readonly variables: Readonly<Record<string, Value>>
}

/** Does the template answer the name: does a pattern fit, and are its conditions true? */
export function matchTemplate(
  options: TemplateOptions,
  { query, name, zone }: { readonly query: Query; readonly name: string; readonly zone: string },
): Matched | undefined {
  for (const pattern of options.patterns) {
    const match = pattern.exec(name)
    if (match === null) continue
    const variables = Object.fromEntries(
      options.variables.map(variable => [variable.name, variable.value(query)] as const),
    )
    const holds = options.conditions.every(condition => condition(query) === true)
    return holds ? { options, zone, match, variables } : undefined
  }
  return undefined
}

/** What `.` is in the templates, by CoreDNS's names. */
export function templateData(
  { zone, match, variables }: Matched,
  { id, question, client, trace, recursionDesired, edns }: Query,
): TemplateValue {
  const asked = { Name: question.name, Qtype: question.type, Qclass: question.class }
  return {
    Zone: zone,
    Name: question.name.toLowerCase(),
    Class: question.class,
    Type: question.type,
    Match: match.map(text => text ?? ''),
    Group: groupsOf(match),
    Message: { Name: question.name, Id: id, RecursionDesired: recursionDesired, Question: [asked] },
    Question: asked,
    Remote: client.address,
    Var: variables as TemplateValue,
    Meta: label => trace?.metadata?.get(printed(label))?.() ?? '',
    Do: edns?.dnssecOk === true,
  }
}

/** By name, and by number, as CoreDNS has them. */
function groupsOf(match: RegExpExecArray): TemplateValue {
  const numbered = match.map((text, index) => [String(index), text ?? ''] as const)
  const named = Object.entries(match.groups ?? {}).map(
    ([name, text]) => [name, text ?? ''] as const,
  )
  return Object.fromEntries([...numbered, ...named])
}
