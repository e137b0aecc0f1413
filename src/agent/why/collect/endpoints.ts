import { connect } from 'node:net'
import { listeningSockets } from '#linux/listening-sockets.ts'
import { NetworkNamespace } from '#linux/namespace.ts'
import { familyOf, type IpAddress, parseIp } from '#net/ip.ts'
import { parsePrefixLenient, prefixContains } from '#net/prefix.ts'
import type { Protocol } from '#net/protocol.ts'
import { errnoCode } from '#runtime/error.ts'
import type { ClientFacts, EndpointFacts, Listening, ServiceFacts } from '../facts.ts'
import { portsNamed } from '../service.ts'
import { podLinkOf, routeFrom } from './links.ts'
import { namespaceOf, type Surroundings } from './surroundings.ts'

/** No more are looked into: those on this node come first. */
const MAX_ENDPOINTS = 16
const CONNECT_MS = 1_000

type Chosen = Pick<EndpointFacts, 'address' | 'port' | 'nodeName' | 'isReady'>

/** The endpoints that the client's connections may go to, and what is on the way to each. */
export async function endpointFactsFor(
  service: ServiceFacts,
  client: ClientFacts,
  surroundings: Surroundings,
): Promise<readonly EndpointFacts[]> {
  const { nodeName } = surroundings
  const chosen = chosenBy(service, client).toSorted(
    (a, b) => Number(b.nodeName === nodeName) - Number(a.nodeName === nodeName),
  )
  const pods = podNames(service)
  return Promise.all(
    chosen
      .slice(0, MAX_ENDPOINTS)
      .map(each =>
        look(each, pods.get(each.address), service.port?.protocol ?? 'TCP', surroundings),
      ),
  )
}

/** As the rules choose: by the traffic policy of the address. A headless Service's name leads to its ready pods. */
function chosenBy(
  { state, reached, slices, port }: ServiceFacts,
  client: ClientFacts,
): readonly Chosen[] {
  if (state === undefined || reached?.by === 'pod') {
    const all = port === undefined ? [] : headless(slices, port)
    return all.filter(({ address }) => reached === undefined || address === reached.address)
  }
  const isLocal =
    reached?.by === 'cluster-ip'
      ? state.internalPolicyLocal
      : state.externalPolicyLocal && client.kind === 'outside'
  const { local, cluster } = state.endpoints
  return (isLocal ? local : cluster).map(({ address, port, nodeName, ready }) => ({
    address,
    port,
    nodeName,
    isReady: ready,
  }))
}

const headless = (
  slices: ServiceFacts['slices'],
  port: NonNullable<ServiceFacts['port']>,
): readonly Chosen[] =>
  slices.flatMap(slice =>
    portsNamed([slice], port).flatMap(({ port: number = 0 }) =>
      slice.endpoints.flatMap(({ addresses, conditions, nodeName }) => {
        const address = parseIp(addresses[0] ?? '')
        if (address === undefined || !conditions.ready) return []
        return [{ address, port: number, nodeName, isReady: true }]
      }),
    ),
  )

/** `namespace/name` of pods by address. */
const podNames = ({ slices }: ServiceFacts): ReadonlyMap<string, string> =>
  new Map(
    slices.flatMap(({ endpoints, metadata }) =>
      endpoints.flatMap(({ addresses, podName }) =>
        podName === undefined
          ? []
          : addresses.map(address => [address, `${metadata.namespace}/${podName}`] as const),
      ),
    ),
  )

async function look(
  chosen: Chosen,
  pod: string | undefined,
  protocol: Protocol,
  surroundings: Surroundings,
): Promise<EndpointFacts> {
  const { address, port, nodeName } = chosen
  const here = namespaceOf(surroundings, address)
  const route = await routeFrom(undefined, address)
  const isLocal = here !== undefined || nodeName === surroundings.nodeName
  const needsRoute = here !== undefined || isPodElsewhere(address, surroundings)
  const facts = { ...chosen, pod, isLocal, route, needsRoute }
  if (here !== undefined) {
    using namespace = NetworkNamespace.open(here.path)
    const listening = socketsIn(namespace, protocol)
    return { ...facts, link: await podLinkOf(here, address), listening }
  }
  // A pod on the host network has the node's sockets.
  if (route.kind === 'local') return { ...facts, listening: socketsIn(undefined, protocol) }
  if (protocol !== 'TCP' || route.kind === 'none') return facts
  return { ...facts, probe: await probe(address, port) }
}

/** Is it in the pod range of another node, where the routes to those are ours? Others are reached as the network will. */
const isPodElsewhere = (
  address: IpAddress,
  { store, ownsRoutes, nodeName }: Surroundings,
): boolean =>
  ownsRoutes &&
  [...store.list('Node')].some(
    ({ metadata, podCIDRs }) =>
      metadata.name !== nodeName &&
      podCIDRs.some(text => {
        const prefix = parsePrefixLenient(text)
        return prefix !== undefined && prefixContains(prefix, address)
      }),
  )

function socketsIn(
  namespace: NetworkNamespace | undefined,
  protocol: Protocol,
): readonly Listening[] | undefined {
  if (protocol === 'SCTP') return undefined
  const read = () => listeningSockets(protocol === 'TCP' ? 'tcp' : 'udp')
  return namespace === undefined ? read() : namespace.run(read)
}

/** Does somebody accept a TCP connection? It is closed at once. */
function probe(address: IpAddress, port: number): Promise<EndpointFacts['probe']> {
  const { promise, resolve } = Promise.withResolvers<EndpointFacts['probe']>()
  const socket = connect({ host: address, port, family: familyOf(address) })
  socket.setTimeout(CONNECT_MS, () => resolve('silent'))
  socket.on('connect', () => resolve('accepted'))
  socket.on('error', error => resolve(errnoCode(error) === 'ECONNREFUSED' ? 'refused' : 'silent'))
  return promise.finally(() => socket.destroy())
}
