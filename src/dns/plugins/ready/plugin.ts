import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import type { BlockView, Plugin, PluginDefinition } from '../../plugin.ts'
import { httpAddressOf } from '../http-address.ts'

/** `ready`: /ready says OK once every plugin of the blocks that have `ready` can answer. */
export const ready: PluginDefinition = {
  name: 'ready',
  repeatable: false,
  setup([directive], { http, blocks }) {
    if (directive === undefined) return { name: 'ready' }
    const continuously = isContinuous(directive)
    /** Plugins that are not asked again. */
    const done = new WeakSet<Plugin>()
    let stopping = false
    http.serve(httpAddressOf(directive, ':8181'), '/ready', () => {
      if (stopping) return { status: 503, body: 'Shutting down' }
      const waiting = watchedPlugins(blocks()).filter(
        plugin => !done.has(plugin) && !isReady(plugin),
      )
      if (!continuously) {
        for (const plugin of watchedPlugins(blocks()))
          if (!waiting.includes(plugin)) done.add(plugin)
      }
      if (waiting.length === 0) return { status: 200, body: 'OK' }
      const names = [...new Set(waiting.map(({ name }) => name))].sort((a, b) => a.localeCompare(b))
      return { status: 503, body: names.join(',') }
    })
    return {
      name: 'ready',
      shutdown: async () => {
        stopping = true
      },
    }
  },
}

const isReady = (plugin: Plugin): boolean => plugin.isReady?.() ?? true

const watchedPlugins = (blocks: readonly BlockView[]): readonly Plugin[] =>
  blocks
    .filter(({ plugins }) => plugins.some(({ name }) => name === 'ready'))
    .flatMap(({ plugins }) => plugins)

function isContinuous({ block = [] }: Directive): boolean {
  let continuously = false
  for (const line of block) {
    const [word, ...more] = line.args
    const isKnown = word === 'until-ready' || word === 'continuously'
    if (line.name !== 'monitor' || !isKnown || more.length > 0) {
      throw directiveError(line, 'the one option is: monitor until-ready|continuously')
    }
    continuously = word === 'continuously'
  }
  return continuously
}
