import type { IpAddress } from '#net/ip.ts'
import type { ZoneOptions } from '../zone/zone-options.ts'
import type { Generation } from './generation.ts'
import type { ServerPlan } from './plan.ts'

/** Every zone that is served, as `[scheme://]zone:port[ on address]`, in the order of the Corefile. */
export const servedPlaces = ({ blocks }: Pick<ServerPlan, 'blocks'>): readonly string[] =>
  blocks.flatMap(({ keys, bind }) =>
    keys.flatMap(({ scheme, zone, port }) => {
      const place = `${scheme === 'dns' ? '' : `${scheme}://`}${zone}:${port}`
      return bind.length === 0 ? [place] : bind.map(address => `${place} on ${address}`)
    }),
  )

/** A listener that answers for the cluster's zone. */
export type ClusterPlace = {
  readonly options: ZoneOptions
  /** undefined: every address of the machine. */
  readonly address: IpAddress | undefined
  readonly port: number
}

/** Where the names of the cluster can be asked for over UDP by anybody; undefined: no server block has them. */
export function clusterPlaceOf({
  plan,
  blocks,
}: Pick<Generation, 'plan' | 'blocks'>): ClusterPlace | undefined {
  for (const [index, { plugins }] of blocks.entries()) {
    const names = plugins.find(({ clusterZone }) => clusterZone !== undefined)?.clusterZone
    const { keys = [], bind = [], view } = plan.blocks[index] ?? {}
    const port = keys.find(({ scheme }) => scheme === 'dns')?.port
    if (names === undefined || port === undefined || view !== '') continue
    return { options: names.options, address: bind[0], port }
  }
  return undefined
}
