import type { Node } from '#cluster/objects.ts'
import type { IpAddress, IpFamily } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import type { RoutesSettings } from '../../src/routes/settings.ts'
import type { Uplink } from '../../src/routes/uplink.ts'

/** The prefix of a text that is one. */
export const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix

/** A Node with InternalIPs. */
export const node = (
  name: string,
  addresses: readonly string[],
  podCIDRs: readonly string[],
  createdMs?: number,
): Node => ({
  kind: 'Node',
  metadata: { name, namespace: '', labels: {} },
  addresses: addresses.map(address => ({ type: 'InternalIP', address })),
  podCIDRs,
  taints: [],
  ...(createdMs === undefined ? {} : { createdMs }),
  deleting: false,
})

/** The settings of node `a`: auto, both families, nothing else said. */
export const routesSettings = (fields: Partial<RoutesSettings> = {}): RoutesSettings => ({
  nodeName: 'a',
  families: [4, 6],
  mode: 'auto',
  clusterCIDRs: [],
  noMasqueradeCIDRs: [],
  masquerade: 'nftables',
  mtu: undefined,
  vxlan: { vni: 110, port: 8472 },
  mtuFile: '/nowhere',
  ...fields,
})

/** An uplink eth0 of 1500 bytes with this address. */
export const uplink = (text: string, fields: Partial<Uplink> = {}): [IpFamily, Uplink] => {
  const { family, address } = prefix(text)
  return [
    family,
    {
      address: address as IpAddress,
      link: 'eth0',
      mtu: 1500,
      connected: [prefix(text)],
      ...fields,
    },
  ]
}
