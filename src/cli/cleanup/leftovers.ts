/** What of the machine cleaning up looks at, by the names that the kernel's tools show. */
export type Seen = {
  /** Of nftables: `ip nodeplane`. */
  readonly tables: readonly string[]
  /** Of iptables: `iptables (nft) nat KUBE-SERVICES`. */
  readonly chains: readonly SeenChain[]
  readonly links: readonly SeenLink[]
  /** Routes of ours, as text. */
  readonly routes: readonly string[]
  /** Attachments that agents have written down: `NETWORK CONTAINER INTERFACE`. */
  readonly live: readonly string[]
  readonly gone: readonly string[]
  /** Bridges that are ours. */
  readonly bridges: readonly string[]
  /** Files and folders of ours that are there. */
  readonly files: readonly string[]
  /** Of these, what the pod network needs. */
  readonly podFiles: readonly string[]
}

export type SeenChain = { readonly program: string; readonly table: string; readonly chain: string }

export type SeenLink = {
  readonly name: string
  readonly index: number
  readonly kind?: string | undefined
  readonly masterIndex?: number | undefined
}

/** Something that is ours, or was kube-proxy's. */
export type Leftover = {
  /** `kube-proxy`: has its names. Modes iptables and ipvs of ours cannot be told from it. */
  readonly part: 'services' | 'kube-proxy' | 'names' | 'routes' | 'pods' | 'files'
  readonly what: string
}

/** Tables by what begins their names. The first that fits says whose one is. */
const tableParts = [
  [/ nodeplane-dns/, 'names'],
  [/ nodeplane_routes$/, 'routes'],
  [/ nodeplane_(cni|hostport)$/, 'pods'],
  [/ nodeplane$/, 'services'],
  [/ kube-proxy$/, 'kube-proxy'],
] as const satisfies readonly (readonly [RegExp, Leftover['part']])[]

const chainParts = [
  [/^NODEPLANE-ROUTES/, 'routes'],
  [/^CNI-(HOSTPORT|DN|FORWARD|ISOLATION)-?/, 'pods'],
] as const satisfies readonly (readonly [RegExp, Leftover['part']])[]

const linkParts = [
  [/^nodeplane-vx[46]$/, 'routes'],
  [/^kube-ipvs0$/, 'kube-proxy'],
] as const satisfies readonly (readonly [RegExp, Leftover['part']])[]

const partOf = (
  parts: readonly (readonly [RegExp, Leftover['part']])[],
  name: string,
): Leftover['part'] | undefined => parts.find(([pattern]) => pattern.test(name))?.[1]

/**
 * What is ours of what was seen, in the order in which it is removed. Pure.
 * @param isServiceChain is this chain (`table chain`) of the service proxy, or kube-proxy's?
 */
export function leftoversIn(
  seen: Seen,
  isServiceChain: (chain: string) => boolean,
): readonly Leftover[] {
  const found: (Leftover | undefined)[] = [
    ...seen.tables.map(name => named(partOf(tableParts, name), `table ${name}`)),
    ...seen.chains.map(({ program, table, chain }) => {
      const part = isServiceChain(`${table} ${chain}`) ? 'kube-proxy' : partOf(chainParts, chain)
      return named(part, `chain ${chain} of ${program} ${table}`)
    }),
    ...seen.routes.map(route => named('routes', `route ${route}`)),
    ...seen.links.map(({ name }) => named(partOf(linkParts, name), `link ${name}`)),
    ...seen.gone.map(each => named('pods', `attachment ${each}, whose container has gone`)),
    ...seen.live.map(each => named('pods', `attachment ${each}`)),
    ...bridgesThere(seen).map(({ name }) => named('pods', `bridge ${name}`)),
    ...seen.files.map(path => named('files', path)),
    ...seen.podFiles.map(path => named('pods', path)),
  ]
  return found.filter(each => each !== undefined)
}

const named = (part: Leftover['part'] | undefined, what: string): Leftover | undefined =>
  part && { part, what }

/** Our bridges. */
export const bridgesThere = ({ links, bridges }: Seen): readonly SeenLink[] =>
  links.filter(({ name, kind }) => kind === 'bridge' && bridges.includes(name))

/**
 * How many pods are attached: those that were written down, or, where calls were done without an agent, ports of our bridges.
 */
export function attachedPods(seen: Seen): number {
  const masters = new Set(bridgesThere(seen).map(({ index }) => index))
  const ports = seen.links.filter(({ masterIndex }) => masters.has(masterIndex ?? -1))
  return Math.max(seen.live.length, ports.length)
}
