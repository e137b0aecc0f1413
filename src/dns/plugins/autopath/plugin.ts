import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { IpAddress } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import { readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems, directiveError } from '../../corefile/problem.ts'
import { counter } from '../../metric.ts'
import { joinName, longestZone, normalizeName } from '../../name.ts'
import type { ClusterZone, PluginDefinition, SetupContext } from '../../plugin.ts'
import { baseUnder, walkSearch } from '../../search-walk.ts'

/** Elements of a search list that are walked: what resolvers take (Kubernetes: 32). */
const MAX_SEARCHES = 32

/** `autopath`: walks the search list of a client on the server. */
export const autopath: PluginDefinition = {
  name: 'autopath',
  repeatable: false,
  async setup([directive], context) {
    if (directive === undefined) throw new TypeError('autopath: set up without directive')
    const { zones, searchOf } = await parseAutopath(directive, context)
    const found = counter(context.metrics, {
      name: 'coredns_autopath_success_total',
      help: 'Queries that were answered by walking the search list.',
      labels: ['server'],
    })
    return {
      name: 'autopath',
      wrap: next => (query, signal) => {
        const name = query.question.name.toLowerCase()
        const search =
          longestZone(zones, name) === undefined ? undefined : searchOf(query.client.address)
        const base = baseUnder(query.question.name, search ?? [])
        if (search === undefined || base === undefined) return next(query, signal)
        return walkSearch({
          query,
          base,
          suffixes: [...search, '.'],
          askFirst: () => next(query, signal),
          askOther: other => next(other, signal),
          onFound: () => found.inc({ server: context.server }),
        })
      },
    }
  },
}

/** The search list of a client; undefined: none is known. */
type SearchOf = (client: IpAddress) => readonly string[] | undefined

async function parseAutopath(
  directive: Directive,
  context: SetupContext,
): Promise<{ readonly zones: readonly string[]; readonly searchOf: SearchOf }> {
  const problems = new DirectiveProblems('autopath')
  const last = directive.args.at(-1)
  if (last === undefined || directive.block !== undefined) {
    throw directiveError(directive, 'needs a resolver file or @kubernetes, and no braces')
  }
  const names = directive.args.slice(0, -1)
  const zones = names.length > 0 ? readZones(directive, names, problems) : context.zones
  problems.throwIfAny()
  if (last === '@kubernetes') {
    const host = await searchesIn('/etc/resolv.conf').catch(() => [])
    return { zones, searchOf: client => podSearch(clusterZoneIn(context), client, host) }
  }
  if (last.startsWith('@'))
    throw directiveError(directive, `'${last}' is unknown, there is: @kubernetes`)
  const search = await searchesIn(resolve(context.directory, last)).catch((error: unknown) => {
    throw directiveError(directive, describeError(error))
  })
  return { zones, searchOf: () => search }
}

/** The last `search` line counts (resolv.conf(5)). */
async function searchesIn(path: string): Promise<readonly string[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').map(line => line.trim().split(/\s+/))
  const words = lines.findLast(([word]) => word === 'search')?.slice(1) ?? []
  return words
    .slice(0, MAX_SEARCHES)
    .map(normalizeName)
    .filter(name => name !== undefined && name !== '.')
    .map(name => name as string)
}

const clusterZoneIn = ({ blocks, zones }: SetupContext): ClusterZone | undefined =>
  blocks()
    .find(block => block.zones === zones)
    ?.plugins.find(plugin => plugin.clusterZone !== undefined)?.clusterZone

/** The list of the Pod with this address. Pods of several namespaces share an address on the host's network: they get none. */
function podSearch(
  cluster: ClusterZone | undefined,
  client: IpAddress,
  host: readonly string[],
): readonly string[] | undefined {
  if (cluster === undefined || cluster.options.pods !== 'verified') return undefined
  const namespaces = new Set(cluster.index.podsAt(client).map(({ metadata }) => metadata.namespace))
  const [namespace] = namespaces
  if (namespace === undefined || namespaces.size > 1) return undefined
  const zone = cluster.options.primaryZone
  return [joinName(`${namespace}.svc`, zone), joinName('svc', zone), zone, ...host]
}
