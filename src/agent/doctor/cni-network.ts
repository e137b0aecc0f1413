import { type IpPrefix, networkOf, parsePrefix } from '#net/prefix.ts'
import type { CniNetwork } from './facts.ts'

type Json = Readonly<Record<string, unknown>>

/** What a network configuration says of links and addresses; undefined where it is none (then no runtime uses it). */
export function parseNetwork(file: string, text: string): CniNetwork | undefined {
  const config = objectFrom(text)
  if (config === undefined) return undefined
  const list = Array.isArray(config['plugins']) ? (config['plugins'] as unknown[]) : [config]
  const plugins = list.filter(isObject)
  const types = plugins.map(({ type }) => textOf(type))
  if (types.length === 0 || types.includes('')) return undefined
  const bridge = plugins.find(({ type }) => type === 'bridge')
  return {
    file,
    name: textOf(config['name']),
    types,
    isOurs: config['name'] === 'nodeplane' || text.includes('/run/nodeplane/'),
    // The plugin's own default (bridge plugin, field `bridge`).
    bridge: bridge && textOf(bridge['bridge'], 'cni0'),
    mtu: typeof bridge?.['mtu'] === 'number' && bridge['mtu'] > 0 ? bridge['mtu'] : undefined,
    hairpin: bridge?.['hairpinMode'] === true,
    subnets: plugins.flatMap(({ ipam }) => (isObject(ipam) ? subnetsOf(ipam) : [])),
  }
}

/** `subnet`, and those of `ranges` (host-local). */
function subnetsOf(ipam: Json): readonly IpPrefix[] {
  const ranges = Array.isArray(ipam['ranges']) ? (ipam['ranges'] as unknown[]).flat() : []
  return [ipam, ...ranges.filter(isObject)].flatMap(({ subnet }) => {
    const prefix = typeof subnet === 'string' ? parsePrefix(subnet) : undefined
    return prefix === undefined ? [] : [networkOf(prefix)]
  })
}

const textOf = (value: unknown, otherwise = ''): string =>
  typeof value === 'string' ? value : otherwise

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function objectFrom(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
