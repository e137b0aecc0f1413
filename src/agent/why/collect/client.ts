import type { Pod } from '#cluster/objects.ts'
import { hostAddresses } from '#net/host-addresses.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { ConfigError } from '#runtime/error.ts'
import type { ClientFacts } from '../facts.ts'
import { podLinkOf, routeFrom } from './links.ts'
import { namespaceOf, type Surroundings } from './surroundings.ts'

/**
 * Who `--from` means: an address, a pod (`NAMESPACE/NAME`, or a name in `namespace`), or without it this node.
 * @throws {ConfigError} there is no such pod.
 */
export async function clientFrom(
  from: string | undefined,
  namespace: string,
  surroundings: Surroundings,
): Promise<ClientFacts> {
  if (from === undefined) return { kind: 'node', addresses: ownAddresses() }
  const address = parseIp(from)
  const pod =
    address === undefined ? podNamed(from, namespace, surroundings) : podAt(address, surroundings)
  if (pod === undefined)
    return { kind: 'outside', addresses: address === undefined ? [] : [address] }
  const addresses = pod.podIPs.map(parseIp).filter(ip => ip !== undefined)
  if (pod.hostNetwork) return { kind: 'node', addresses, pod }
  const [first] = addresses
  const here = first === undefined ? undefined : namespaceOf(surroundings, first)
  const link = here && first && (await podLinkOf(here, first))
  return { kind: 'pod', addresses, pod, link }
}

/** Nobody is blamed for naming a pod while the API server cannot be asked: that is what will be told. */
function podNamed(from: string, namespace: string, { store, view }: Surroundings): Pod | undefined {
  const key = from.includes('/') ? from : `${namespace}/${from}`
  const pod = store.get('Pod', key)
  if (pod !== undefined || view.state === 'unreachable') return pod
  const why = store.isSynced('Pod')
    ? `${view.origin} has no pod ${key}`
    : `pods are not known from ${view.origin}; give --manifests or --kubeconfig, or the pod's address`
  throw new ConfigError([{ field: '--from', message: why }])
}

const podAt = (address: IpAddress, { store }: Surroundings): Pod | undefined =>
  [...store.list('Pod')].find(({ podIPs, hostNetwork }) => !hostNetwork && podIPs.includes(address))

const ownAddresses = (): readonly IpAddress[] =>
  hostAddresses()
    .filter(({ isOnLoopback }) => !isOnLoopback)
    .map(({ address }) => address)

/** The client with its route to an address, where it can be looked up. */
export async function withRoute(
  client: ClientFacts,
  to: IpAddress | undefined,
  surroundings: Surroundings,
): Promise<ClientFacts> {
  if (to === undefined || client.kind === 'outside') return client
  if (client.kind === 'node') return { ...client, route: await routeFrom(undefined, to) }
  const [first] = client.addresses
  const here = first === undefined ? undefined : namespaceOf(surroundings, first)
  return here === undefined ? client : { ...client, route: await routeFrom(here, to) }
}
