import type { ClusterObject } from '#cluster/objects.ts'
import type { BlockView, ClusterZone } from '#dns/plugin.ts'
import { ZoneIndex } from '#dns/zone/zone-index.ts'
import type { IpAddress } from '#net/ip.ts'
import { added } from './zone-cluster.ts'

/** What a `kubernetes` plugin for cluster.local over these objects offers to other plugins. */
export function clusterZone(
  objects: readonly ClusterObject[],
  options: Partial<ClusterZone['options']> = {},
): ClusterZone {
  const index = new ZoneIndex({ podNames: false })
  for (const object of objects) index.apply(added(object), 1_700_000_000_000)
  return {
    index,
    options: {
      primaryZone: 'cluster.local.',
      ttl: 5,
      pods: 'verified',
      namespaces: undefined,
      selectsNamespace: undefined,
      ignoreEmptyServices: false,
      zonal: false,
      localAddresses: ['10.1.1.1' as IpAddress],
      ...options,
    },
    mayDeny: () => true,
  }
}

/** A block that has that plugin. */
export const blocksWith =
  (zones: readonly string[], zone: ClusterZone) => (): readonly BlockView[] => [
    { zones, plugins: [{ name: 'kubernetes', clusterZone: zone }] },
  ]
