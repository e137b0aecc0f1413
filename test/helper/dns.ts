import { Store } from '#cluster/store.ts'
import type { Directive, Position } from '#dns/corefile/directive.ts'
import { parseCorefile } from '#dns/corefile/parser.ts'
import { HttpSiteList } from '#dns/http-sites.ts'
import type { LineLevel } from '#dns/line-log.ts'
import type { Edns, Message, Query, Question, ResourceRecord } from '#dns/message.ts'
import type { SetupContext } from '#dns/plugin.ts'
import type { IpAddress } from '#net/ip.ts'
import { silentLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'

/** A question for an A record of example.org. */
export const question = (parts: Partial<Question> = {}): Question => ({
  name: 'example.org.',
  type: 'A',
  class: 'IN',
  ...parts,
})

/** A plain UDP query without EDNS from 192.0.2.1. */
export const query = (parts: Partial<Query> = {}): Query => ({
  id: 4711,
  question: question(),
  opcode: 'QUERY',
  recursionDesired: true,
  checkingDisabled: false,
  authenticData: false,
  edns: undefined,
  transport: 'udp',
  client: { address: '192.0.2.1' as IpAddress, port: 40212 },
  server: { address: '192.0.2.53' as IpAddress, port: 53 },
  ...parts,
})

/** A plain query for this name. */
export const queryFor = (name: string, type = 'A', parts: Partial<Query> = {}): Query =>
  query({ question: question({ name, type }), ...parts })

/** EDNS as clients commonly send it. */
export const edns = (parts: Partial<Edns> = {}): Edns => ({
  version: 0,
  udpSize: 1232,
  dnssecOk: false,
  options: [],
  ...parts,
})

/** A query message for an A record of example.org. */
export const message = (parts: Partial<Message> = {}): Message => ({
  id: 4711,
  opcode: 'QUERY',
  isResponse: false,
  authoritative: false,
  truncated: false,
  recursionDesired: false,
  recursionAvailable: false,
  authenticData: false,
  checkingDisabled: false,
  rcode: 'NOERROR',
  question: question(),
  answers: [],
  authorities: [],
  additionals: [],
  edns: undefined,
  ...parts,
})

/** An A record of example.org. */
export const addressRecord = (data: string, name = 'example.org.'): ResourceRecord => ({
  name,
  type: data.includes(':') ? 'AAAA' : 'A',
  class: 'IN',
  ttl: 5,
  data: data as IpAddress,
})

const CONF: Position = { file: 'Corefile', line: 1 }

/** The directives of a server block with this text; the first line is line 2 of `Corefile`. */
export function directives(text: string): readonly Directive[] {
  const system = { env: {}, read: () => '', glob: () => [] }
  return parseCorefile(`. {\n${text}\n}`, CONF.file, system).blocks[0]?.directives ?? []
}

/** The one directive of this text: the first line, line 2 of `Corefile`, is its own; each further one is an option. */
export function directive(text: string): Directive {
  const [own = '', ...options] = text.split('\n')
  const [found] = directives(options.length === 0 ? own : [`${own} {`, ...options, '}'].join('\n'))
  if (found === undefined) throw new Error('an empty directive')
  return found
}

/** What a plugin is set up with in a test, and what it then did. */
export type TestContext = SetupContext & {
  readonly http: HttpSiteList
  /** `LEVEL text` of every line on stdout. */
  readonly written: readonly string[]
  readonly failures: readonly Error[]
}

/** The context of a block for the root zone on port 53 that is alone in its Corefile. */
export function setupContext(parts: Partial<SetupContext> = {}): TestContext {
  const written: string[] = []
  const failures: Error[] = []
  return {
    zones: ['.'],
    server: 'dns://:53',
    view: '',
    directory: '/etc/coredns',
    log: silentLogger(),
    metrics: createMetrics(),
    lookup: () => undefined,
    cluster: { open: async () => new Store() },
    allPlugins: () => [],
    blocks: () => [],
    lines: { line: (level: LineLevel, text: string) => void written.push(`${level} ${text}`) },
    corefile: { hash: 'abc', reloadIfChanged: async () => undefined },
    fail: error => void failures.push(error),
    ...parts,
    http: new HttpSiteList(),
    written,
    failures,
  }
}

/** A signal for a query that may take a while. */
export const patience = (): AbortSignal => AbortSignal.timeout(10_000)
