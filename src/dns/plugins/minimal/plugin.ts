import type { PluginDefinition } from '../../plugin.ts'
import { typeOfReply } from '../log/classify.ts'
import { noArguments } from '../no-arguments.ts'

/** `minimal`: leaves authority and additional sections out of positive answers. */
export const minimal: PluginDefinition = {
  name: 'minimal',
  repeatable: true,
  setup(directives) {
    directives.forEach(noArguments)
    return {
      name: 'minimal',
      wrap: next => async (query, signal) => {
        const reply = await next(query, signal)
        // Denials need their SOA, referrals their name servers.
        if (reply === undefined || typeOfReply(reply) !== 'NOERROR') return reply
        return { ...reply, authorities: [], additionals: [] }
      },
    }
  },
}
