import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { IpAddress } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import { readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems, directiveError } from '../../corefile/problem.ts'
import { type Query, type Reply, type ResourceRecord } from '../../message.ts'
import { counter } from '../../metric.ts'
import { isInZone, joinName, longestZone, normalizeName } from '../../name.ts'
import type { ClusterZone, Handler, PluginDefinition, SetupContext } from '../../plugin.ts'

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
        const [first] = search ?? []
        if (search === undefined || first === undefined || first === '.') return next(query, signal)
        if (name === first || !isInZone(name, first)) return next(query, signal)
        const base = query.question.name.slice(0, -first.length)
        return walk(base, search, {
          query,
          next: asked => next(asked, signal),
          onFound: () => found.inc({ server: context.server }),
        })
      },
    }
  },
}

type Walking = {
  readonly query: Query
  readonly next: (query: Query) => ReturnType<Handler>
  readonly onFound: () => void
}

/** The first answer that does not deny its name, else the first of all. `base` ends in a dot. */
async function walk(
  base: string,
  search: readonly string[],
  { query, next, onFound }: Walking,
): Promise<Reply | undefined> {
  let first: Reply | undefined
  for (const [index, suffix] of [...search, '.'].entries()) {
    const name = suffix === '.' ? base : joinName(base.slice(0, -1), suffix)
    // What the list makes longer than a name can be does not exist.
    if (normalizeName(name) === undefined) continue
    const asked = index === 0 ? query : { ...query, question: { ...query.question, name } }
    const answer = await next(asked)
    if (answer === undefined) return undefined
    if (index === 0) first = answer
    if (answer.rcode === 'NXDOMAIN') continue
    onFound()
    return aliased(answer, query.question.name)
  }
  return first
}

/** An answer to another name needs an alias from the one that was asked. */
function aliased(answer: Reply, asked: string): Reply {
  const [first] = answer.answers
  if (first === undefined || first.name.toLowerCase() === asked.toLowerCase()) return answer
  const alias: ResourceRecord = {
    name: asked,
    type: 'CNAME',
    class: 'IN',
    ttl: first.ttl,
    data: first.name,
  }
  return { ...answer, answers: [alias, ...answer.answers] }
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
