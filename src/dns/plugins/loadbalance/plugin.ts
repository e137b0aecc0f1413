import { directiveError } from '../../corefile/problem.ts'
import type { PluginDefinition } from '../../plugin.ts'
import { shuffleSection } from './shuffle.ts'

/** `loadbalance`: gives addresses and MX records in another order with every answer. */
export const loadbalance: PluginDefinition = {
  name: 'loadbalance',
  repeatable: false,
  setup([directive]) {
    const [policy = 'round_robin', ...more] = directive?.args ?? []
    if (directive !== undefined && (policy !== 'round_robin' || more.length > 0)) {
      throw directiveError(
        directive,
        `'${directive.args.join(' ')}' is not supported; the one policy is round_robin`,
      )
    }
    return {
      name: 'loadbalance',
      wrap: next => async (query, signal) => {
        const reply = await next(query, signal)
        if (reply === undefined) return reply
        return {
          ...reply,
          answers: shuffleSection(reply.answers, Math.random),
          authorities: shuffleSection(reply.authorities, Math.random),
          additionals: shuffleSection(reply.additionals, Math.random),
        }
      },
    }
  },
}
