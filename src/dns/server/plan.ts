import { formatHostPort, type IpAddress } from '#net/ip.ts'
import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import type { ServerBlock } from '../corefile/directive.ts'
import { parseZoneKey, type Scheme } from '../corefile/zone-key.ts'
import { grpcServerLimits } from '../plugins/grpc_server/plugin.ts'
import { httpsLimits } from '../plugins/https/plugin.ts'
import { socketCount } from '../plugins/multisocket/plugin.ts'
import { streamLimits } from '../plugins/timeouts/plugin.ts'
import type { TlsSettings } from '../plugins/tls/plugin.ts'
import type { StreamLimits } from './listener.ts'
import { alreadyDefined, certificateProblems, mixedBinds, sharedPorts } from './plan-problems.ts'

type PlannedKey = { readonly scheme: Scheme; readonly zone: string; readonly port: number }

/** A server block, its keys understood. */
export type PlannedBlock = {
  readonly block: ServerBlock
  readonly keys: readonly PlannedKey[]
  /** Empty: every address of the machine. */
  readonly bind: readonly IpAddress[]
  /** The name of its `view`; empty without one. */
  readonly view: string
  /** undefined: it says nothing of them. */
  readonly sockets: number | undefined
  readonly limits: BlockLimits
}

/** Limits of all streams that a block is served on, and those of some protocols. */
type BlockLimits = Partial<Record<Scheme | 'all', Partial<StreamLimits>>>

/** Where is listened, and how. */
export type ListenerPlace = {
  readonly scheme: Scheme
  /** undefined: every address of the machine. */
  readonly address: IpAddress | undefined
  readonly port: number
}

/** A place to listen on, and which block answers for which zone there. */
export type PlannedListener = ListenerPlace & {
  /** Zone → numbers of its blocks, in file order: several where all but one have views. */
  readonly zones: ReadonlyMap<string, readonly number[]>
  /** Sockets that share the queries (`multisocket`); undefined: as many as the server has for each listener. */
  readonly sockets: number | undefined
  readonly limits: Partial<StreamLimits>
  /** undefined: what goes over the wire is not encrypted. */
  readonly tls: TlsSettings | undefined
}

export type ServerPlan = {
  readonly blocks: readonly PlannedBlock[]
  /** By {@link listenerKey}. */
  readonly listeners: ReadonlyMap<string, PlannedListener>
  readonly problems: readonly ConfigProblem[]
}

export type PlanOptions = {
  /** For `dns` keys that name no port. */
  readonly defaultPort: number
  /** The addresses that the `bind` lines of a block name. Called once a block. */
  readonly bindOf: (block: ServerBlock) => readonly IpAddress[]
  /** What the `tls` of a block names, read; undefined: it has none. */
  readonly tlsOf?: (block: ServerBlock) => TlsSettings | undefined
}

/** For keys that name no port (CoreDNS: plugin/pkg/transport). */
const defaultPorts = { tls: 853, https: 443, grpc: 443 } as const

/** What has to listen where, and which block answers for what. Problems are collected; a plan with some must not be used. */
export function planServers(blocks: readonly ServerBlock[], options: PlanOptions): ServerPlan {
  const problems: ConfigProblem[] = []
  const planned = blocks.map(block => planBlock(block, options, problems))
  const listeners = new Map<string, OpenListener>()
  for (const [index, { block, keys, bind, view, sockets, limits }] of planned.entries()) {
    for (const { scheme, zone, port } of keys) {
      for (const address of bind.length === 0 ? [undefined] : bind) {
        const place = { scheme, address, port }
        const key = listenerKey(place)
        const listener = listeners.get(key) ?? newListener(place)
        listeners.set(key, listener)
        listener.sockets = largest(listener.sockets, sockets)
        Object.assign(listener.limits, limits.all, limits[scheme])
        if (scheme !== 'dns') listener.tls ??= options.tlsOf?.(block)
        const others = listener.zones.get(zone) ?? []
        const other = others.map(number => planned[number]).find(block => block?.view === view)
        if (other === undefined) listener.zones.set(zone, [...others, index])
        else problems.push({ ...block.position, message: alreadyDefined(zone, port, other) })
      }
    }
  }
  problems.push(...mixedBinds(planned), ...sharedPorts(planned, listeners))
  problems.push(...certificateProblems(planned, listeners))
  return { blocks: planned, listeners, problems }
}

type OpenListener = PlannedListener & {
  sockets: number | undefined
  tls: TlsSettings | undefined
  readonly zones: Map<string, readonly number[]>
}

const newListener = (place: ListenerPlace): OpenListener => ({
  ...place,
  zones: new Map(),
  sockets: undefined,
  limits: {},
  tls: undefined,
})

const largest = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.max(one, other)

/** CoreDNS's `server` label of a listener: `dns://:53` on every address, `tls://192.0.2.1:853` on one. */
export const listenerKey = ({ scheme, address, port }: ListenerPlace): string =>
  `${scheme}://${address === undefined ? `:${port}` : formatHostPort(address, port)}`

function planBlock(
  block: ServerBlock,
  { defaultPort, bindOf }: PlanOptions,
  problems: ConfigProblem[],
): PlannedBlock {
  const keys: PlannedKey[] = []
  const ports = { ...defaultPorts, dns: defaultPort }
  for (const text of block.keys) {
    const key = parseZoneKey(text)
    if (typeof key === 'string') problems.push({ ...block.position, message: key })
    else {
      const { scheme, port = ports[scheme] } = key
      keys.push(...key.zones.map(zone => ({ scheme, zone, port })))
    }
  }
  const view = block.directives.find(({ name }) => name === 'view')?.args[0] ?? ''
  const settings = settingsOf(block, problems)
  return { block, keys, bind: bindOf(block), view, ...settings }
}

/** What a block says of the listeners that it is served on. */
function settingsOf({ directives }: ServerBlock, problems: ConfigProblem[]) {
  try {
    const limits: BlockLimits = {
      all: streamLimits(directives),
      https: httpsLimits(directives),
      grpc: grpcServerLimits(directives),
    }
    return { sockets: socketCount(directives), limits }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
    return { sockets: undefined, limits: {} }
  }
}
