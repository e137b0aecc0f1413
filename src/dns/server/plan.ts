import { formatHostPort, type IpAddress } from '#net/ip.ts'
import type { ConfigProblem } from '#runtime/error.ts'
import type { ServerBlock } from '../corefile/directive.ts'
import { parseZoneKey } from '../corefile/zone-key.ts'

/** A server block, its keys understood. */
export type PlannedBlock = {
  readonly block: ServerBlock
  readonly keys: readonly { readonly zone: string; readonly port: number }[]
  /** Empty: every address of the machine. */
  readonly bind: readonly IpAddress[]
  /** The name of its `view`; empty without one. */
  readonly view: string
}

/** A place to listen on, and which block answers for which zone there. */
export type PlannedListener = {
  /** undefined: every address of the machine. */
  readonly address: IpAddress | undefined
  readonly port: number
  /** Zone → number of its block. */
  readonly zones: ReadonlyMap<string, number>
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
  const listeners = new Map<string, PlannedListener & { zones: Map<string, number> }>()
  for (const [index, { block, keys, bind }] of planned.entries()) {
    for (const { zone, port } of keys) {
      for (const address of bind.length === 0 ? [undefined] : bind) {
        const key = listenerKey(address, port)
        const listener = listeners.get(key) ?? { address, port, zones: new Map<string, number>() }
        listeners.set(key, listener)
        const other = listener.zones.get(zone)
        if (other === undefined) listener.zones.set(zone, index)
        else
          problems.push({ ...block.position, message: alreadyDefined(zone, port, planned[other]) })
      }
    }
  }
  problems.push(...mixedBinds(planned))
  return { blocks: planned, listeners, problems }
}

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
  return { block, keys, bind: bindOf(block), view }
}

function alreadyDefined(zone: string, port: number, other: PlannedBlock | undefined): string {
  const where =
    other === undefined ? '' : ` in ${other.block.position.file}:${other.block.position.line}`
  return `${zone}:${port} is already defined${where}; a zone and port may stand in one block only`
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
