import type { NftTable } from '#linux/nft-listing.ts'

/** What a table means, without ids and slots: these are only names. Sorted. */
export function meaningOf(listing: NftTable | undefined) {
  const of = (name: string) => listing?.elements.get(name) ?? new Map<string, string>()
  const slots = new Map<string, string[]>()
  for (const protocol of ['tcp', 'udp', 'sctp']) {
    for (const [key, value] of of(`endpoints-${protocol}`)) {
      const [id = '', slot = ''] = key.split(' . ')
      const list = slots.get(id) ?? []
      list[Number(slot)] = `${protocol} ${value}`
      slots.set(id, list)
    }
  }
  /** The endpoints, sorted, after how clients are remembered; or the verdict when there is none. */
  const routed = (id: string): readonly string[] => {
    const verdict = of('lb').get(id) ?? 'no verdict'
    const list = slots.get(id) ?? []
    const isSticky = verdict === 'goto sticky'
    const balance = isSticky ? of('spread').get(id) : verdict
    if (balance !== `goto lb-${list.length}`) return [verdict, ...list]
    return [...(isSticky ? [of('remember').get(id) ?? 'not remembered'] : []), ...list.toSorted()]
  }
  const destinations = (name: string) =>
    Object.fromEntries([...of(name)].map(([key, id]) => [key, routed(id)]))
  const isStale = (protocol: string) => (key: string, endpoint: string) => {
    const id = key.split(' . ')[0] ?? ''
    return !of('remember').has(id) || !slots.get(id)?.includes(`${protocol} ${endpoint}`)
  }
  return {
    vips: destinations('vips'),
    vipsInside: destinations('vips-inside'),
    nodePorts: destinations('nodeports'),
    nodePortsInside: destinations('nodeports-inside'),
    masqueradeVips: Object.fromEntries(of('masquerade-vips')),
    masqueradeNodePorts: Object.fromEntries(of('masquerade-nodeports')),
    routes: [...of('lb').keys()].map(id => routed(id).join(', ')).sort(),
    ownerless: ['spread', 'remember']
      .flatMap(name => [...of(name).keys()])
      .concat(...slots.keys())
      .filter(id => !of('lb').has(id)),
    /** Remembered endpoints that the route does not have. */
    stale: ['tcp', 'udp'].flatMap(protocol =>
      [...of(`affinity-${protocol}`)].filter(([key, value]) => isStale(protocol)(key, value)),
    ),
    sets: ['restricted', 'source-ranges', 'cluster-ips', 'hairpins'].map(name =>
      [...of(name).keys()].sort(),
    ),
  }
}

export type Meaning = ReturnType<typeof meaningOf>
