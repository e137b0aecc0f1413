import { readZones } from '../../corefile/arguments.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import type { Metadata, Query } from '../../message.ts'
import { longestZone } from '../../name.ts'
import type { PluginDefinition } from '../../plugin.ts'

/** `metadata`: collects what the plugins of the block know of a query, for `log`, `rewrite` and `template`. */
export const metadata: PluginDefinition = {
  name: 'metadata',
  repeatable: true,
  setup(directives, context) {
    const problems = new DirectiveProblems('metadata')
    const named = directives.flatMap(directive => readZones(directive, directive.args, problems))
    problems.throwIfAny()
    const zones = named.length > 0 ? named : context.zones
    const providers = () =>
      context.blocks().find(block => block.zones === context.zones)?.plugins ?? []
    return {
      name: 'metadata',
      wrap: next => (query, signal) => {
        if (longestZone(zones, query.question.name.toLowerCase()) === undefined)
          return next(query, signal)
        return next(
          labelled(query, labels => {
            for (const plugin of providers()) plugin.label?.(query, labels)
          }),
          signal,
        )
      },
    }
  },
}

/** The labels lie in the trace of the query, which `log` sees too; a query that plugins make from this one shares them. */
function labelled(query: Query, collect: (labels: Metadata) => void): Query {
  const trace = query.trace ?? { plugin: '' }
  trace.metadata ??= new Map()
  collect(trace.metadata)
  return query.trace === undefined ? { ...query, trace } : query
}
