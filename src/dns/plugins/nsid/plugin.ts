import { hostname } from 'node:os'
import { directiveError } from '../../corefile/problem.ts'
import type { PluginDefinition } from '../../plugin.ts'

/** EDNS option code of the name server identifier (RFC 5001 section 4). */
const NSID = 3

/** `nsid`: tells clients that ask which server it was that answered. */
export const nsid: PluginDefinition = {
  name: 'nsid',
  repeatable: false,
  setup([directive]) {
    if (directive?.block !== undefined)
      throw directiveError(directive, 'takes no options in braces')
    const text = directive?.args.join(' ') || hostname()
    const option = { code: NSID, data: new TextEncoder().encode(text) }
    return {
      name: 'nsid',
      wrap: next => async (query, signal) => {
        const isAsked = query.edns?.options.some(({ code }) => code === NSID) === true
        const reply = await next(query, signal)
        if (!isAsked || reply === undefined) return reply
        const others = reply.ednsOptions.filter(({ code }) => code !== NSID)
        return { ...reply, ednsOptions: [...others, option] }
      },
    }
  },
}
