import type { Query, Reply } from '#dns/message.ts'
import type { Handler, Plugin, PluginDefinition, SetupContext } from '#dns/plugin.ts'
import { directives, patience, setupContext, type TestContext } from './dns.ts'
import { recordsAsText } from './records-as-text.ts'

/** A plugin that was set up from the text of its directives. */
export type TestedPlugin = {
  readonly plugin: Plugin
  readonly context: TestContext
  /** Asks it; `next` stands behind it and answers nothing when it is not given. */
  readonly ask: (query: Query, next?: Handler) => Promise<Reply | undefined>
}

/** Sets up the directives of this text, all of one plugin. @throws {ConfigError} */
export async function testedPlugin(
  definition: PluginDefinition,
  text: string,
  parts: Partial<SetupContext> = {},
): Promise<TestedPlugin> {
  const context = setupContext(parts)
  const plugin = await definition.setup(directives(text), context)
  const ask: TestedPlugin['ask'] = async (query, next = () => undefined) => {
    const handler = plugin.wrap?.(next) ?? next
    return handler(query, patience())
  }
  return { plugin, context, ask }
}

/** What a reply says, for comparison: its rcode and the records of its sections as text; empty sections are left out. */
export function replyAsText(reply: Reply | undefined) {
  if (reply === undefined) return undefined
  const { rcode, answers, authorities, additionals } = reply
  return {
    rcode,
    ...(answers.length > 0 ? { answers: recordsAsText(answers) } : {}),
    ...(authorities.length > 0 ? { authorities: recordsAsText(authorities) } : {}),
    ...(additionals.length > 0 ? { additionals: recordsAsText(additionals) } : {}),
  }
}

/** The value of a metric with these labels. */
export async function metricValue(
  { metrics }: Pick<SetupContext, 'metrics'>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number | undefined> {
  const { values = [] } = (await metrics.getSingleMetric(name)?.get()) ?? {}
  return values.find(value =>
    Object.entries(labels).every(([label, text]) => value.labels[label] === text),
  )?.value
}
