import { formatHostPort } from '#net/ip.ts'
import { formatPrefix } from '#net/prefix.ts'
import { displayName } from '#proxy/service-port.ts'
import type { ClientFacts, EndpointFacts, RouteFacts, ServiceFacts } from './facts.ts'

/** `shop/web:http` */
export const portText = ({ key, port }: ServiceFacts): string =>
  displayName({ service: key, portName: port?.name ?? '' })

export function clientText({ kind, pod, addresses }: ClientFacts): string {
  if (pod !== undefined) return `pod ${pod.metadata.namespace}/${pod.metadata.name}`
  if (kind === 'node') return 'this node'
  return addresses[0] ?? 'a client outside'
}

/** `10.244.1.2:8080 (shop/web-a)` */
export const endpointText = ({ address, port, pod }: EndpointFacts): string =>
  `${formatHostPort(address, port)}${pod === undefined ? '' : ` (${pod})`}`

/** `10.244.2.0/24 via 192.168.50.3 dev eth0 mtu 1500` */
export function routeText({ kind, prefix, gateway, link }: RouteFacts): string {
  if (kind === 'none') return 'no route'
  if (kind === 'local') return 'this node itself'
  return [
    prefix === undefined ? 'a route' : prefix.length === 0 ? 'default' : formatPrefix(prefix),
    ...(gateway === undefined ? [] : [`via ${gateway}`]),
    ...(link === undefined ? [] : [`dev ${link.name} mtu ${link.mtu}`]),
  ].join(' ')
}

/** The first few of a list, and how many there are beyond. */
export function few(texts: readonly string[], count = 3): string {
  const more = texts.length - count
  return `${texts.slice(0, count).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
