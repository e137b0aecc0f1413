import { formatHostPort, type IpAddress } from '#net/ip.ts'
import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import type { ServerBlock } from '../corefile/directive.ts'
import { parseZoneKey } from '../corefile/zone-key.ts'
import { socketCount } from '../plugins/multisocket/plugin.ts'
import { streamLimits } from '../plugins/timeouts/plugin.ts'
import type { StreamLimits } from './listener.ts'

/** A server block, its keys understood. */
export type PlannedBlock = {
  readonly block: ServerBlock
  readonly keys: readonly { readonly zone: string; readonly port: number }[]
  /** Empty: every address of the machine. */
  readonly bind: readonly IpAddress[]
  /** The name of its `view`; empty without one. */
  readonly view: string
  readonly sockets: number
  readonly limits: Partial<StreamLimits>
}

/** A place to listen on, and which block answers for which zone there. */
export type PlannedListener = {
  /** undefined: every address of the machine. */
  readonly address: IpAddress | undefined
  readonly port: number
  /** Zone → numbers of its blocks, in file order: several where all but one have views. */
  readonly zones: ReadonlyMap<string, readonly number[]>
  /** Sockets that share the queries (`multisocket`). */
  readonly sockets: number
  readonly limits: Partial<StreamLimits>
}

export type ServerPlan = {
  readonly blocks: readonly PlannedBlock[]
  /** By {@link listenerKey}. */
  readonly listeners: ReadonlyMap<string, PlannedListener>
  readonly problems: readonly ConfigProblem[]
}

type PlanOptions = {
  /** For keys that name no port. */
  readonly defaultPort: number
  /** The addresses that the `bind` lines of a block name. Called once a block. */
  readonly bindOf: (block: ServerBlock) => readonly IpAddress[]
}

/** What has to listen where, and which block answers for what. Problems are collected; a plan with some must not be used. */
export function planServers(blocks: readonly ServerBlock[], options: PlanOptions): ServerPlan {
  const problems: ConfigProblem[] = []
  const planned = blocks.map(block => planBlock(block, options, problems))
  const listeners = new Map<string, OpenListener>()
  for (const [index, { block, keys, bind, view, sockets, limits }] of planned.entries()) {
    for (const { zone, port } of keys) {
      for (const address of bind.length === 0 ? [undefined] : bind) {
        const key = listenerKey(address, port)
        const listener = listeners.get(key) ?? newListener(address, port)
        listeners.set(key, listener)
        listener.sockets = Math.max(listener.sockets, sockets)
        Object.assign(listener.limits, limits)
        const others = listener.zones.get(zone) ?? []
        const other = others.map(number => planned[number]).find(block => block?.view === view)
        if (other === undefined) listener.zones.set(zone, [...others, index])
        else problems.push({ ...block.position, message: alreadyDefined(zone, port, other) })
      }
    }
  }
  problems.push(...mixedBinds(planned))
  return { blocks: planned, listeners, problems }
}

type OpenListener = PlannedListener & {
  sockets: number
  readonly zones: Map<string, readonly number[]>
}

const newListener = (address: IpAddress | undefined, port: number): OpenListener => ({
  address,
  port,
  zones: new Map(),
  sockets: 1,
  limits: {},
})

/** `1.2.3.4:53`, or `:53` for every address. */
export const listenerKey = (address: IpAddress | undefined, port: number): string =>
  address === undefined ? `:${port}` : formatHostPort(address, port)

/** CoreDNS's `server` label of a listener: `dns://:53`. */
export const serverLabel = (address: IpAddress | undefined, port: number): string =>
  `dns://${listenerKey(address, port)}`

function planBlock(
  block: ServerBlock,
  { defaultPort, bindOf }: PlanOptions,
  problems: ConfigProblem[],
): PlannedBlock {
  const keys: { zone: string; port: number }[] = []
  for (const text of block.keys) {
    const key = parseZoneKey(text)
    if (typeof key === 'string') problems.push({ ...block.position, message: key })
    else keys.push(...key.zones.map(zone => ({ zone, port: key.port ?? defaultPort })))
  }
  const view = block.directives.find(({ name }) => name === 'view')?.args[0] ?? ''
  const settings = settingsOf(block, problems)
  return { block, keys, bind: bindOf(block), view, ...settings }
}

/** What a block says of the listeners that it is served on. */
function settingsOf({ directives }: ServerBlock, problems: ConfigProblem[]) {
  try {
    return { sockets: socketCount(directives), limits: streamLimits(directives) }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
    return { sockets: 1, limits: {} }
  }
}

function alreadyDefined(zone: string, port: number, other: PlannedBlock | undefined): string {
  const where =
    other === undefined ? '' : ` in ${other.block.position.file}:${other.block.position.line}`
  return `${zone}:${port} is already defined${where}; a zone and port may stand in one block only, or in several with different views`
}

/** The kernel gives a port to every address or to single ones, not to both. */
function mixedBinds(blocks: readonly PlannedBlock[]): readonly ConfigProblem[] {
  const unbound = new Map<number, PlannedBlock>()
  for (const planned of blocks.filter(({ bind }) => bind.length === 0)) {
    for (const { port } of planned.keys) unbound.set(port, planned)
  }
  return blocks
    .filter(({ bind }) => bind.length > 0)
    .flatMap(({ block, keys }) => {
      const port = keys.find(key => unbound.has(key.port))?.port
      if (port === undefined) return []
      const { file, line } = (unbound.get(port) as PlannedBlock).block.position
      const message = `this block is bound to an address, the block in ${file}:${line} listens on every address of port ${port}; bind both or none`
      return [{ ...block.position, message }]
    })
}
