import type { IpFamily } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import type { ProxySettings } from './settings.ts'

/** How pod traffic is told from other traffic. With an interface, what this node sends itself never is. */
export type LocalDetector =
  | { readonly by: 'source'; readonly prefix: IpPrefix }
  | { readonly by: 'interface'; readonly name: string; readonly isPrefix: boolean }

/** The detector of a family; undefined: no traffic counts as pod traffic, and traffic to cluster IPs keeps its source. */
export function localDetector(
  { clusterCIDRs, podInterface }: Pick<ProxySettings, 'clusterCIDRs' | 'podInterface'>,
  family: IpFamily,
): LocalDetector | undefined {
  if (podInterface !== undefined) return { by: 'interface', ...podInterface }
  const prefix = clusterCIDRs.find(prefix => prefix.family === family)
  return prefix === undefined ? undefined : { by: 'source', prefix }
}
