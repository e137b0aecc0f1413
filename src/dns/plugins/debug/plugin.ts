import type { PluginDefinition } from '../../plugin.ts'
import { noArguments } from '../no-arguments.ts'

/** `debug`: what the process says of itself has every detail while this Corefile is served. */
export const debug: PluginDefinition = {
  name: 'debug',
  repeatable: true,
  setup(directives, { log }) {
    directives.forEach(noArguments)
    let former: string | undefined
    return {
      name: 'debug',
      start() {
        former = log.level
        log.level = 'debug'
      },
      stop() {
        if (former !== undefined) log.level = former
      },
    }
  },
}
