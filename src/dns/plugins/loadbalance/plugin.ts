import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import type { Reply } from '../../message.ts'
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
      fastPath: true,
      wrap: next => async (query, signal) => {
        const reply = await next(query, signal)
        return reply && shuffled(reply, Math.random)
      },
    }
  },
}

/** The fast path makes its own order of addresses, from one that is always the same. */
function shuffled({ remember, ...reply }: Reply, random: () => number): Reply {
  return {
    ...reply,
    answers: shuffleSection(reply.answers, random),
    authorities: shuffleSection(reply.authorities, random),
    additionals: shuffleSection(reply.additionals, random),
    ...(remember && {
      remember: {
        ...remember,
        again: query => shuffled(remember.again(query), leaveInOrder),
        rotates: true,
      },
    }),
  }
}

/** Fisher and Yates's shuffle changes nothing with numbers next to 1. */
const leaveInOrder = (): number => 1 - Number.EPSILON

function checkPolicy(directive: Directive): void {
  const [policy = 'round_robin', ...more] = directive.args
  if (policy === 'round_robin' && more.length === 0) return
  const words = directive.args.join(' ')
  throw directiveError(directive, `'${words}' is not supported; the one policy is round_robin`)
}
