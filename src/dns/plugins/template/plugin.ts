import { NodeplaneError } from '#runtime/error.ts'
import { type Query, type Reply, type ResourceRecord, reply } from '../../message.ts'
import { counter } from '../../metric.ts'
import { longestZone } from '../../name.ts'
import type { PluginDefinition, SetupContext } from '../../plugin.ts'
import { Unanswered } from '../../unanswered.ts'
import { parseRecord } from '../../zonefile/record.ts'
import { fallsThrough } from '../fallthrough.ts'
import { followAlias } from '../follow-alias.ts'
import { TemplateError } from './go-template/template-error.ts'
import { parseTemplateDirective, type Section, type TemplateOptions } from './options.ts'
import { type Matched, matchTemplate, templateData } from './template-data.ts'

/** `template`: answers made from the question by templates. Several are tried in the order of the file. */
export const template: PluginDefinition = {
  name: 'template',
  repeatable: true,
  setup(directives, context) {
    const templates = directives.map(directive => parseTemplateDirective(directive, context.zones))
    const metrics = templateMetrics(context)
    return {
      name: 'template',
      wrap: next => (query, signal) => {
        const found = firstThatFits(templates, query)
        if (found === undefined) return next(query, signal)
        metrics.matched(found)
        const answer = replyFrom(found, query, metrics)
        return followAlias(answer, { query, signal, lookup: context.lookup })
      },
    }
  },
}

/** The template that answers, or undefined when it is the next plugin's turn. @throws {Unanswered} */
function firstThatFits(templates: readonly TemplateOptions[], query: Query): Matched | undefined {
  const { question } = query
  const name = question.name.toLowerCase()
  for (const options of templates) {
    if (options.class !== undefined && options.class !== question.class) continue
    if (options.type !== undefined && options.type !== question.type) continue
    const zone = longestZone(options.zones, name)
    if (zone === undefined) continue
    const matched = matchTemplate(options, { query, name, zone })
    if (matched !== undefined) return matched
    if (fallsThrough(options.fallthrough, name)) continue
    throw new Unanswered('SERVFAIL', 'template: no pattern fits, and there is no fallthrough')
  }
  return undefined
}

type Metrics = ReturnType<typeof templateMetrics>

function replyFrom(matched: Matched, query: Query, metrics: Metrics): Reply {
  const { rcode, ednsOptions } = matched.options
  if (rcode === 'SERVFAIL') throw new Unanswered('SERVFAIL', 'template: answers SERVFAIL')
  const records = recordsFrom(matched, query, metrics)
  const of = (section: Section) => records[section] ?? []
  return reply({
    rcode,
    authoritative: true,
    answers: of('answer'),
    authorities: of('authority'),
    additionals: of('additional'),
    ednsOptions,
  })
}

function recordsFrom(
  matched: Matched,
  query: Query,
  metrics: Metrics,
): Partial<Record<Section, ResourceRecord[]>> {
  const data = templateData(matched, query)
  const records: Partial<Record<Section, ResourceRecord[]>> = {}
  for (const { section, text, write } of matched.options.records) {
    try {
      const list = (records[section] ??= [])
      list.push(parseRecord(write(data)))
    } catch (error) {
      if (!(error instanceof NodeplaneError)) throw error
      metrics.failed(
        error instanceof TemplateError ? 'template' : 'record',
        { section, text },
        matched,
      )
      throw new Unanswered('SERVFAIL', `template: ${section} "${text}"`, { cause: error })
    }
  }
  return records
}

function templateMetrics({ metrics, server, view }: SetupContext) {
  const labels = ['server', 'zone', 'view', 'class', 'type'] as const
  const matches = counter(metrics, {
    name: 'coredns_template_matches_total',
    help: 'Queries that a template answered.',
    labels,
  })
  const failureLabels = [...labels, 'section', 'template'] as const
  const failures = {
    template: counter(metrics, {
      name: 'coredns_template_template_failures_total',
      help: 'Templates that failed.',
      labels: failureLabels,
    }),
    record: counter(metrics, {
      name: 'coredns_template_rr_failures_total',
      help: 'Templates that made no record.',
      labels: failureLabels,
    }),
  }
  const labelsOf = ({ zone, options }: Matched) => ({
    server,
    zone,
    view,
    class: options.class ?? 'ANY',
    type: options.type ?? 'ANY',
  })
  return {
    matched: (matched: Matched): void => matches.inc(labelsOf(matched)),
    failed(
      kind: 'template' | 'record',
      { section, text }: { readonly section: Section; readonly text: string },
      matched: Matched,
    ): void {
      failures[kind].inc({ ...labelsOf(matched), section, template: text })
    },
  }
}
