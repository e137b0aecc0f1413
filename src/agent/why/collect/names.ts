import { keyOf } from '#cluster/objects.ts'
import { NetworkNamespace } from '#linux/namespace.ts'
import type { Candidate, ClientFacts, NameFacts, Resolver } from '../facts.ts'
import { type AskedName, candidatesOf, isFound, meantBy } from '../names.ts'
import { askDns, type DnsAnswer } from './ask-dns.ts'
import { resolverFor } from './resolver.ts'
import { namespaceOf, type Surroundings } from './surroundings.ts'
import { upstreamsFor } from './upstreams.ts'

/** glibc's RES_TIMEOUT. */
const TIMEOUT_MS = 5_000

export type NameQuestion = {
  readonly asked: string
  readonly client: ClientFacts
  /** Where the name is asked, when the client is no pod. */
  readonly namespace: string
}

/** Resolves a name as the client would, from where the client is if that is on this node. */
export async function nameFactsFor(
  { asked, client, namespace }: NameQuestion,
  surroundings: Surroundings,
): Promise<NameFacts> {
  const { store, kubelet } = surroundings
  const resolver = resolverFor(client.pod, namespace, surroundings)
  const where = client.pod?.metadata.namespace ?? namespace
  const clusterDomain = kubelet.clusterDomain
  const keys = meantBy(asked, { namespace: where, clusterDomain })
  const meant = keys.find(key => store.get('Service', key) !== undefined)
  const facts: NameFacts = {
    asked,
    resolver,
    clusterDomain,
    candidates: await walkNames(asked, resolver, client, surroundings),
    meant,
    elsewhere: meant === undefined ? sameNameElsewhere(keys, surroundings) : [],
    upstreams: [],
  }
  if (isFound(facts) || meant !== undefined) return facts
  const asGiven = asked.endsWith('.') ? asked : `${asked}.`
  return { ...facts, upstreams: await upstreamsFor(asGiven, surroundings) }
}

/** Ends with the first name that has an address, or that no server says anything about, as glibc does. */
async function walkNames(
  asked: string,
  resolver: Resolver,
  client: ClientFacts,
  surroundings: Surroundings,
): Promise<readonly Candidate[]> {
  const [address] = client.kind === 'pod' ? client.addresses : []
  const here = address === undefined ? undefined : namespaceOf(surroundings, address)
  using namespace = here && NetworkNamespace.open(here.path)
  const candidates: Candidate[] = []
  for (const name of candidatesOf(asked, resolver)) {
    const candidate = await askFor(name, resolver, namespace)
    candidates.push(candidate)
    if (candidate.addresses.length > 0 || candidate.rcode === 'SILENT') break
  }
  return candidates
}

/** Of the first server that answers. */
async function askFor(
  { name, isAsGiven }: AskedName,
  { servers }: Resolver,
  namespace: NetworkNamespace | undefined,
): Promise<Candidate> {
  for (const server of servers) {
    const question = { name, server, timeoutMs: TIMEOUT_MS, namespace }
    const answers = await Promise.all([
      askDns({ ...question, type: 'A' }),
      askDns({ ...question, type: 'AAAA' }),
    ])
    const said = answers.filter(hasRcode)
    const [first] = said
    if (first === undefined) continue
    const addresses = said.flatMap(each => each.addresses)
    return { name, isAsGiven, rcode: first.rcode, addresses, server }
  }
  return { name, isAsGiven, rcode: 'SILENT', addresses: [] }
}

const hasRcode = (answer: DnsAnswer): answer is Exclude<DnsAnswer, { failed: unknown }> =>
  !('failed' in answer)

/** Services that somebody may have meant. */
function sameNameElsewhere(keys: readonly string[], { store }: Surroundings): readonly string[] {
  const names = new Set(keys.map(key => key.split('/')[1]))
  return [...store.list('Service')]
    .filter(({ metadata }) => names.has(metadata.name))
    .map(keyOf)
    .sort()
}
