import { Store } from '#cluster/store.ts'
import type { Directive } from '#dns/corefile/directive.ts'
import type { Edns, Query } from '#dns/message.ts'
import type { SetupContext } from '#dns/plugin.ts'
import type { IpAddress } from '#net/ip.ts'
import { silentLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'

/** A directive as the parser gives it: the first line is its own, each further one an option in its block. */
export function directive(text: string): Directive {
  const [first, ...rest] = text.split('\n').map((line, at): Directive => {
    const [name = '', ...args] = line.trim().split(' ')
    return { name, args, block: undefined, position: { file: 'Corefile', line: at + 1 } }
  })
  if (first === undefined) throw new Error('an empty directive')
  return rest.length === 0 ? first : { ...first, block: rest }
}

/** A question over UDP without EDNS, for records of the Internet class. */
export const query = (name: string, type = 'A', parts: Partial<Query> = {}): Query => ({
  id: 1,
  question: { name, type, class: 'IN' },
  opcode: 'QUERY',
  recursionDesired: true,
  checkingDisabled: false,
  authenticData: false,
  edns: undefined,
  transport: 'udp',
  client: { address: '127.0.0.1' as IpAddress, port: 40000 },
  server: { address: '127.0.0.1' as IpAddress, port: 53 },
  ...parts,
})

export const edns = (parts: Partial<Edns> = {}): Edns => ({
  version: 0,
  udpSize: 1232,
  dnssecOk: false,
  options: [],
  ...parts,
})

type UsedContext = Pick<
  SetupContext,
  'zones' | 'server' | 'directory' | 'log' | 'metrics' | 'lookup' | 'cluster'
>

/** Where a plugin is set up in: an empty cluster, and a server that knows no name. The rest of the context is not there. */
export const setupContext = (parts: Partial<UsedContext> = {}) => {
  const context: UsedContext = {
    zones: ['.'],
    server: 'dns://:53',
    directory: '/etc/nodeplane',
    log: silentLogger(),
    metrics: createMetrics(),
    lookup: () => {
      throw new Error('nothing is looked up through the server here')
    },
    cluster: { open: () => new Store() },
    ...parts,
  }
  return context as SetupContext
}

/** A signal for a query that may take a while. */
export const patience = (): AbortSignal => AbortSignal.timeout(10_000)
