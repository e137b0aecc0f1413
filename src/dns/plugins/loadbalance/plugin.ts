import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import type { PluginDefinition } from '../../plugin.ts'
import { shuffleSection } from './shuffle.ts'

/** `loadbalance`: gives addresses and MX records in another order with every answer. */
export const loadbalance: PluginDefinition = {
  name: 'loadbalance',
  repeatable: true,
  setup(directives) {
    directives.forEach(checkPolicy)
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

function checkPolicy(directive: Directive): void {
  const [policy = 'round_robin', ...more] = directive.args
  if (policy === 'round_robin' && more.length === 0) return
  const words = directive.args.join(' ')
  throw directiveError(directive, `'${words}' is not supported; the one policy is round_robin`)
}
