import type { ServerPlan } from './plan.ts'

/** Every zone that is served, as `[scheme://]zone:port[ on address]`, in the order of the Corefile. */
export const servedPlaces = ({ blocks }: Pick<ServerPlan, 'blocks'>): readonly string[] =>
  blocks.flatMap(({ keys, bind }) =>
    keys.flatMap(({ scheme, zone, port }) => {
      const place = `${scheme === 'dns' ? '' : `${scheme}://`}${zone}:${port}`
      return bind.length === 0 ? [place] : bind.map(address => `${place} on ${address}`)
    }),
  )
