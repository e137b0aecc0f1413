import { familyOf } from '#net/ip.ts'
import type { ClientFacts, Facts, NameFacts, ServiceFacts } from '../facts.ts'
import { fqdnOf } from '../names.ts'
import type { Ways } from '../report.ts'
import { formatTarget, type Target } from '../target.ts'
import { clientFrom, withRoute } from './client.ts'
import { endpointFactsFor } from './endpoints.ts'
import { flowFactsFor } from './flows.ts'
import { leaseFacts } from './leases.ts'
import { nameFactsFor } from './names.ts'
import { hasClusterDns } from './resolver.ts'
import { ruleFactsFor } from './rules.ts'
import { type Asked, serviceAt, serviceWays } from './service.ts'
import type { Surroundings } from './surroundings.ts'

export type Question = {
  readonly target: Target
  /** A pod or an address; undefined: this node. */
  readonly from?: string | undefined
  /** Where names without a namespace are, if no pod asks. */
  readonly namespace: string
}

/**
 * Looks at all that is on the way: a way for each port and family that the target means. Changes nothing.
 * @throws {ConfigError} `from` names no pod.
 */
export async function collectFacts(
  { target, from, namespace }: Question,
  surroundings: Surroundings,
): Promise<Ways> {
  const { nodeName, view } = surroundings
  const asking = await clientFrom(from, namespace, surroundings)
  const name = await nameOf(target, asking, namespace, surroundings)
  const asked = askedFor(target, name, surroundings)
  const client = clientOf(asking, from, asked?.by)
  const leases = leaseFacts(surroundings)
  const common = { target, nodeName, view, client, name, leases }
  if (asked === undefined) return [{ ...common, endpoints: [] }]
  const factsOf = async (service: ServiceFacts): Promise<Facts> => ({
    ...common,
    ...(await wayFacts(service, client, surroundings)),
  })
  const [first, ...others] = serviceWays(asked, surroundings)
  return [await factsOf(first), ...(await Promise.all(others.map(factsOf)))]
}

/** Whoever asks about an address that the world outside uses, and does not say from where, means the world outside. */
function clientOf(client: ClientFacts, from: string | undefined, by: Asked['by']): ClientFacts {
  const isOfOutside = by === 'node-port' || by === 'load-balancer' || by === 'external-ip'
  return from === undefined && isOfOutside ? { kind: 'outside', addresses: [] } : client
}

/** A Service that is named by its key is asked for by its full name, where it is known whom to ask. */
async function nameOf(
  target: Target,
  client: ClientFacts,
  namespace: string,
  surroundings: Surroundings,
): Promise<NameFacts | undefined> {
  if (target.kind === 'address') return undefined
  if (target.kind === 'name') {
    return nameFactsFor({ asked: target.name, client, namespace }, surroundings)
  }
  const key = formatKey(target)
  const isKnown = surroundings.store.get('Service', key) !== undefined
  if (!isKnown || (client.pod === undefined && !hasClusterDns(surroundings))) return undefined
  const asked = fqdnOf(key, surroundings.kubelet.clusterDomain)
  return nameFactsFor({ asked, client, namespace }, surroundings)
}

const formatKey = (target: Target & { kind: 'service' }): string =>
  formatTarget({ ...target, port: undefined })

function askedFor(
  target: Target,
  name: NameFacts | undefined,
  surroundings: Surroundings,
): Asked | undefined {
  const { port } = target
  if (target.kind === 'service') return { key: formatKey(target), port }
  if (target.kind === 'address') return serviceAt(target.address, target.port, surroundings)
  if (name?.meant !== undefined) return { key: name.meant, port }
  const found = name?.candidates.flatMap(({ addresses }) => addresses)[0]
  const at = found && serviceAt(found, typeof port === 'number' ? port : undefined, surroundings)
  // The port of a pod's own address is known by its name in the slice.
  return at?.by === 'pod' ? at : at && { ...at, port }
}

async function wayFacts(
  service: ServiceFacts,
  client: ClientFacts,
  surroundings: Surroundings,
): Promise<Pick<Facts, 'service' | 'client' | 'rules' | 'flows' | 'endpoints'>> {
  const { reached } = service
  const isProxied = reached !== undefined && reached.by !== 'pod'
  const endpoints = await endpointFactsFor(service, client, surroundings)
  const to = reached?.address ?? endpoints[0]?.address
  const family = reached?.family ?? (to === undefined ? 4 : familyOf(to))
  return {
    service,
    client: await withRoute(client, to, surroundings),
    rules: isProxied ? await ruleFactsFor(service, family, surroundings) : undefined,
    flows: isProxied ? await flowFactsFor(service, surroundings) : undefined,
    endpoints,
  }
}
