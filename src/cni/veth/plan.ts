import {
  addressBits,
  type IpAddress,
  type IpFamily,
  ipFamilies,
  ipFromNumber,
  ipToNumber,
} from '#net/ip.ts'
import {
  firstAddress,
  formatPrefix,
  hostPrefix,
  type IpPrefix,
  networkOf,
  parsePrefix,
} from '#net/prefix.ts'
import type { CniIp, CniResult, CniRoute } from '../spec/result.ts'

/** What is to be set up for the addresses that IPAM gave. */
export type AddressPlan = {
  /** Of the container, each with its gateway. */
  readonly ips: readonly CniIp[]
  /** As reported: IPAM's own, unchanged, and the added default routes. */
  readonly routes: readonly CniRoute[]
  /** The addresses that the host must have: the gateways, with their subnets' lengths. */
  readonly gatewayAddresses: readonly IpPrefix[]
  /** The families in use, in order. */
  readonly families: readonly IpFamily[]
}

/** A route of the container, its gateways filled in. Several gateways share the traffic. */
export type ContainerRoute = Omit<CniRoute, 'gw'> & {
  readonly gateways: readonly IpAddress[]
  /** Of what the container sends by it. */
  readonly source?: IpAddress
}

type GatewaySettings = {
  /** Addresses without a gateway get the first of their subnet. */
  readonly isGateway: boolean
  /** Every family gets a default route. */
  readonly isDefaultGateway: boolean
}

/** Completes IPAM's answer: gateways where the host is one, and exactly one default route per family. */
export function planAddresses(
  { isGateway, isDefaultGateway }: GatewaySettings,
  ipam: CniResult,
): AddressPlan {
  const ips = ipam.ips.map(ip =>
    isGateway && ip.gateway === undefined ? { ...ip, gateway: secondAddress(ip.address) } : ip,
  )
  const families = ipFamilies.filter(family => ips.some(({ address }) => address.family === family))
  const added = isDefaultGateway
    ? families.flatMap(family => missingDefaultRoute(family, ips, ipam.routes))
    : []
  return {
    ips,
    routes: [...ipam.routes, ...added],
    gatewayAddresses: isGateway ? distinct(ips.flatMap(gatewayAddressOf)) : [],
    families,
  }
}

/** The address after the network's own, which is the gateway when nobody names another. */
function secondAddress(address: IpPrefix): IpAddress {
  return ipFromNumber(address.family, ipToNumber(firstAddress(address)) + 1n)
}

const isDefaultRoute = ({ dst }: CniRoute): boolean => dst.length === 0

function missingDefaultRoute(
  family: IpFamily,
  ips: readonly CniIp[],
  routes: readonly CniRoute[],
): readonly CniRoute[] {
  // The reference counts only default routes with a gateway, adds a second one, and fails with "file exists".
  if (routes.some(route => isDefaultRoute(route) && route.dst.family === family)) return []
  const gw = gatewayOf(family, ips)
  return [{ dst: defaultPrefix(family), ...(gw === undefined ? {} : { gw }) }]
}

const defaultPrefix = (family: IpFamily): IpPrefix =>
  parsePrefix(family === 4 ? '0.0.0.0/0' : '::/0') as IpPrefix

/** The gateway of the first address of a family. */
const gatewayOf = (family: IpFamily, ips: readonly CniIp[]): IpAddress | undefined =>
  ips.find(({ address }) => address.family === family)?.gateway

const gatewayAddressOf = ({ address, gateway }: CniIp): readonly IpPrefix[] =>
  gateway === undefined ? [] : [{ ...address, address: gateway }]

function distinct(prefixes: readonly IpPrefix[]): readonly IpPrefix[] {
  return [...new Map(prefixes.map(prefix => [formatPrefix(prefix), prefix])).values()]
}

/**
 * The routes of a plan as the kernel needs them: a route without gateway takes that of the first address of its family,
 * and routes to one destination that differ only in their gateways become one with several.
 */
export function planRoutes(plan: Pick<AddressPlan, 'ips' | 'routes'>): readonly ContainerRoute[] {
  const merged = new Map<string, ContainerRoute>()
  for (const { gw, ...route } of plan.routes) {
    const gateway = gw ?? gatewayOf(route.dst.family, plan.ips)
    const key = JSON.stringify([formatPrefix(route.dst), route.table, route.priority])
    const before = merged.get(key)
    const gateways = new Set(before?.gateways)
    if (gateway !== undefined) gateways.add(gateway)
    merged.set(key, { ...route, ...before, gateways: [...gateways] })
  }
  return [...merged.values()]
}

/**
 * The routes of a link that has nobody but the gateway at its other end: to the gateway itself, then to each address's subnet
 * by it.
 */
export function planPointToPoint(ips: readonly CniIp[]): readonly ContainerRoute[] {
  return ips.flatMap(({ address, gateway }) => {
    if (gateway === undefined) return []
    const source = address.address
    const toGateway = { dst: hostPrefix(gateway), gateways: [], source }
    const isAlone = address.length === addressBits(address.family)
    return isAlone
      ? [toGateway]
      : [toGateway, { dst: networkOf(address), gateways: [gateway], source }]
  })
}
