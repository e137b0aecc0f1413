import { parseTarget, type UpstreamServer } from '#dns/plugins/forward/targets.ts'
import { readCorefile } from '#dns/server/read-corefile.ts'
import { formatHostPort } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import type { UpstreamFacts } from '../facts.ts'
import { askDns } from './ask-dns.ts'
import type { Surroundings } from './surroundings.ts'

/** Longer than a resolver on the other side of the world takes. */
const TIMEOUT_MS = 2_000
const MAX_UPSTREAMS = 8

/** Which of the servers that the Corefile forwards to answer when they are asked for a name from this node. */
export async function upstreamsFor(
  name: string,
  surroundings: Surroundings,
): Promise<readonly UpstreamFacts[]> {
  const servers = await serversOf(surroundings)
  // Others speak TLS or HTTPS, about which a datagram says nothing.
  const asked = servers.filter(({ protocol }) => protocol === 'dns').slice(0, MAX_UPSTREAMS)
  return Promise.all(
    asked.map(async ({ address, port }): Promise<UpstreamFacts> => {
      const server = formatHostPort(address, port)
      const answer = await askDns({ name, type: 'A', server: address, port, timeoutMs: TIMEOUT_MS })
      return 'failed' in answer
        ? { server, answers: false, reason: answer.failed }
        : { server, answers: true }
    }),
  )
}

async function serversOf({ corefile, env, log }: Surroundings): Promise<readonly UpstreamServer[]> {
  if (corefile === undefined) return []
  try {
    const read = await readCorefile(corefile, env)
    const surroundings = { directory: read.directory, resolveHost: async () => [] }
    const targets = read.corefile.blocks
      .flatMap(({ directives }) => directives)
      .filter(({ name }) => name === 'forward')
      .flatMap(({ args }) => args.slice(1))
    const servers = await Promise.all(targets.map(text => parseTarget(text, surroundings)))
    return servers.flatMap(each => (typeof each === 'string' ? [] : each))
  } catch (error) {
    log.warn({ file: corefile, reason: describeError(error) }, 'the Corefile cannot be read')
    return []
  }
}
