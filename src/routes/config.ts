import * as z from 'zod'
import type { IpFamily } from '#net/ip.ts'
import { type IpPrefix, networkOf, parsePrefix } from '#net/prefix.ts'
import { OFFERED_MTU_FILE } from '#runtime/offered-mtu.ts'
import type { RoutesSettings } from './settings.ts'

/** Linux' own default; IANA's is 4789. */
const DEFAULT_PORT = 8472
/** Not 1, which other networks use: two devices with one VNI and port exclude each other. */
const DEFAULT_VNI = 110
/** The least that IPv6 needs (RFC 8200 section 5), and the most that an IPv4 packet has. */
const MTU_RANGE = { min: 1280, max: 65535 } as const

const cidr = z.string().refine(text => parsePrefix(text) !== undefined, 'must be ADDRESS/LENGTH')

/** The section `routes` of the agent's configuration; docs/routes.md. */
export const routesSchema = z.strictObject({
  mode: z.enum(['auto', 'hostGW', 'vxlan']).default('auto'),
  clusterCIDRs: z.array(cidr).default([]),
  noMasqueradeCIDRs: z.array(cidr).default([]),
  masquerade: z.union([z.literal(false), z.enum(['nftables', 'iptables'])]).default('nftables'),
  mtu: z.number().int().min(MTU_RANGE.min).max(MTU_RANGE.max).optional(),
  vxlan: z
    .strictObject({
      vni: z.number().int().min(1).max(0xffffff).default(DEFAULT_VNI),
      port: z.number().int().min(1).max(65535).default(DEFAULT_PORT),
    })
    .prefault({}),
  mtuFile: z.string().startsWith('/', 'must be an absolute path').default(OFFERED_MTU_FILE),
})

export type RoutesConfig = z.infer<typeof routesSchema>

/** What a configuration means on this node. */
export function routesSettings(
  config: RoutesConfig,
  node: { readonly nodeName: string; readonly families: readonly IpFamily[] },
): RoutesSettings {
  return {
    ...config,
    ...node,
    mtu: config.mtu,
    clusterCIDRs: prefixes(config.clusterCIDRs),
    noMasqueradeCIDRs: prefixes(config.noMasqueradeCIDRs),
  }
}

/** The schema has refused what is no prefix. */
const prefixes = (texts: readonly string[]): readonly IpPrefix[] =>
  texts.flatMap(text => {
    const prefix = parsePrefix(text)
    return prefix === undefined ? [] : [networkOf(prefix)]
  })
