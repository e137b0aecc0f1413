import { parseInteger } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import type { Query } from '../../message.ts'
import type { PluginDefinition } from '../../plugin.ts'

/** What fits into an IPv6 packet of any path (DNS flag day 2020), octets. */
const DEFAULT_SIZE = 1232

/** `bufsize`: lowers the UDP size that clients say they take, against fragments and amplification. */
export const bufsize: PluginDefinition = {
  name: 'bufsize',
  repeatable: true,
  setup(directives) {
    const maxUdpSize = Math.min(...directives.map(parseBufsize))
    return {
      name: 'bufsize',
      wrap: next => async (query, signal) => {
        if (query.edns === undefined || query.edns.udpSize <= maxUdpSize) return next(query, signal)
        const reply = await next(lowered(query, maxUdpSize), signal)
        return reply && { ...reply, maxUdpSize }
      },
    }
  },
}

const lowered = (query: Query, udpSize: number): Query => ({
  ...query,
  edns: query.edns && { ...query.edns, udpSize },
})

function parseBufsize(directive: Directive): number {
  const [text = `${DEFAULT_SIZE}`, ...more] = directive.args
  const size = more.length === 0 ? parseInteger(text, 512, 4096) : undefined
  if (size !== undefined && directive.block === undefined) return size
  throw directiveError(directive, 'takes one number of octets, 512 to 4096, and no braces')
}
