import type { Service } from '#cluster/objects.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import { isHostName } from '../name.ts'
import type { Request, ServiceRequest } from './request.ts'
import type { Member, SliceNode } from './slice-node.ts'
import { clusterIpsOf, type ServiceNode, type ZoneIndex } from './zone-index.ts'
import type { ZoneOptions } from './zone-options.ts'

/** An address and a port behind a name. */
export type Host = {
  readonly address: IpAddress
  /** undefined: no port is declared, so there is no SRV record. */
  readonly port: number | undefined
  /** The name of the address itself below the zone, lower case: `web-0.web.default.svc`. */
  readonly path: string
}

/** What is behind a name, made when it is asked for: a headless Service may have thousands of endpoints. */
export type Hosts = {
  /** Not each once. */
  readonly addresses: () => Iterable<IpAddress>
  readonly all: () => readonly Host[]
}

/** What a name has. */
export type Found =
  | { readonly kind: 'nothing' }
  /** No record of whatever type. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'version' }
  | { readonly kind: 'hosts'; readonly hosts: Hosts }
  /** An ExternalName Service. */
  | { readonly kind: 'alias'; readonly target: string }

const NOTHING: Found = { kind: 'nothing' }

/** What the requested name has, or undefined when there is no such name. */
export function find(index: ZoneIndex, options: ZoneOptions, request: Request): Found | undefined {
  switch (request.kind) {
    case 'apex':
    case 'branch':
      return NOTHING
    case 'version':
      return { kind: 'version' }
    case 'server':
      return { kind: 'hosts', hosts: serverHosts(options) }
    case 'namespace': {
      const hidden = request.branch === 'pod' && options.pods === 'disabled'
      return !hidden && isExposed(index, options, request.namespace) ? NOTHING : undefined
    }
    case 'service':
      return isExposed(index, options, request.namespace)
        ? findService(index, options, request)
        : undefined
    case 'pod':
      return isExposed(index, options, request.namespace)
        ? findPod(index, options, request)
        : undefined
    case 'unknown':
      return undefined
  }
}

/** Does the namespace exist, and may it be seen? */
export function isExposed(index: ZoneIndex, options: ZoneOptions, name: string): boolean {
  const namespace = index.namespace(name)
  if (namespace === undefined || options.namespaces?.has(name) === false) return false
  return options.selectsNamespace?.(namespace.metadata.labels) ?? true
}

const serverHosts = ({ localAddresses }: ZoneOptions): Hosts =>
  theseHosts(localAddresses.map(address => ({ address, port: undefined, path: 'ns.dns' })))

const theseHosts = (hosts: readonly Host[]): Hosts => ({
  addresses: () => hosts.map(({ address }) => address),
  all: () => hosts,
})

function findService(
  index: ZoneIndex,
  options: ZoneOptions,
  request: ServiceRequest,
): Found | undefined {
  const node = index.service(`${request.namespace}/${request.service}`)
  const { service } = node
  if (service === undefined) return undefined
  const isPlain = request.endpoint === undefined && request.port === undefined
  if (service.type === 'ExternalName') {
    return isPlain && isAliasTarget(service.externalName)
      ? { kind: 'alias', target: service.externalName }
      : undefined
  }
  if (isEmpty(node, service, options)) return undefined
  const { endpoint, topology } = request
  if (topology !== undefined) return isHeadless(service) ? zonalHosts(node, request) : undefined
  // KEP 1645's DNS specification 2.3.4: with an IP address for all clusters nothing tells them apart.
  if (index.of === 'clusterset' && !isHeadless(service) && endpoint !== undefined) return undefined
  if (isHeadless(service) || endpoint !== undefined) {
    const hosts = endpointHosts(node, request)
    return hosts === undefined ? undefined : { kind: 'hosts', hosts }
  }
  const hosts = clusterHosts(service, request)
  if (hosts.length > 0) return { kind: 'hosts', hosts: theseHosts(hosts) }
  // A Service whose cluster IP is not assigned yet has no address, but its name is there.
  return isPlain ? NOTHING : undefined
}

export const isHeadless = (service: Service): boolean =>
  service.type !== 'ExternalName' && service.clusterIP === 'None'

/** CoreDNS takes an externalName that is an address for no name at all; kept. */
const isAliasTarget = (target: string): boolean =>
  target !== '' && isHostName(target) && parseIp(target) === undefined

const isEmpty = ({ slices }: ServiceNode, service: Service, options: ZoneOptions): boolean =>
  options.ignoreEmptyServices && !isHeadless(service) && slices.every(({ size }) => size === 0)

/** Every cluster IP with every matching port; the order is that of the addresses. */
function clusterHosts(service: Service, request: ServiceRequest): readonly Host[] {
  const ports = matchingPorts(service.ports, request)
  const path = `${request.service}.${request.namespace}.svc`
  return clusterIpsOf(service).flatMap(address => ports.map(port => ({ address, port, path })))
}

/** Every counted endpoint with every matching port of its slice; undefined when there is none. */
function endpointHosts(node: ServiceNode, request: ServiceRequest): Hosts | undefined {
  const { cluster } = request
  const endpoint = cluster === undefined ? request.endpoint : `${request.endpoint ?? ''}.${cluster}`
  const membersOf = (slice: SliceNode): Iterable<Member> =>
    endpoint === undefined ? slice.members() : slice.named(endpoint)
  const parts = node.slices
    .map(slice => ({ slice, ports: matchingPorts(slice.slice.ports, request) }))
    .filter(({ slice, ports }) => {
      const size = endpoint === undefined ? slice.size : slice.named(endpoint).length
      return ports.length > 0 && size > 0
    })
  if (parts.length === 0) return undefined
  const suffix = `.${request.service}.${request.namespace}.svc`
  return {
    *addresses() {
      for (const { slice } of parts) {
        if (endpoint === undefined) yield* slice.addresses()
        else for (const { address } of slice.named(endpoint)) yield address
      }
    },
    all: () =>
      parts.flatMap(({ slice, ports }) =>
        Array.from(membersOf(slice)).flatMap(({ name, address }) =>
          ports.map(port => ({ address, port, path: name + suffix })),
        ),
      ),
  }
}

/** Every counted endpoint in the zone of the topology, with every port of its slice; all endpoints where none is and some are preferred. */
function zonalHosts({ slices }: ServiceNode, request: ServiceRequest): Found {
  const { zone, isPinned } = request.topology ?? { zone: '', isPinned: true }
  const all = slices.flatMap(slice => {
    const ports = matchingPorts(slice.slice.ports, request)
    return Array.from(slice.members(), member => ({ member, ports }))
  })
  const near = all.filter(({ member }) => member.zone?.toLowerCase() === zone)
  const chosen = near.length > 0 || isPinned ? near : all
  if (chosen.length === 0) return { kind: 'empty' }
  const suffix = `.${request.service}.${request.namespace}.svc`
  const hosts = chosen.flatMap(({ member: { name, address }, ports }) =>
    ports.map(port => ({ address, port, path: name + suffix })),
  )
  return { kind: 'hosts', hosts: theseHosts(hosts) }
}

type NamedPort = {
  readonly name: string | undefined
  readonly protocol: Protocol
  readonly port: number | undefined
}

/** The numbers of the ports asked for; one undefined when none is asked for and none is declared. */
function matchingPorts(
  ports: readonly NamedPort[],
  { port: wanted }: ServiceRequest,
): readonly (number | undefined)[] {
  if (wanted === undefined) return ports.length === 0 ? [undefined] : ports.map(({ port }) => port)
  return ports
    .filter(
      // A port without name has no name below the Service.
      ({ name, protocol }) =>
        name !== '' &&
        name?.toLowerCase() === wanted.name &&
        protocol.toLowerCase() === wanted.protocol,
    )
    .map(({ port }) => port)
}

function findPod(
  index: ZoneIndex,
  { pods }: ZoneOptions,
  { namespace, label }: { readonly namespace: string; readonly label: string },
): Found | undefined {
  if (pods === 'disabled') return undefined
  const address = parseIp(addressTextOf(label))
  if (address === undefined) return undefined
  const isThere =
    pods === 'insecure' ||
    index.podsAt(address).some(({ metadata }) => metadata.namespace === namespace)
  if (!isThere) return undefined
  const path = `${label}.${namespace}.pod`
  return { kind: 'hosts', hosts: theseHosts([{ address, port: 0, path }]) }
}

/** Exactly three dashes, none doubled: IPv4; else IPv6. */
const addressTextOf = (label: string): string =>
  /^[^-]*(?:-[^-]+){2}-[^-]*$/.test(label) ? label.replaceAll('-', '.') : label.replaceAll('-', ':')
