import type { Directive, Position } from '../../src/dns/corefile/directive.ts'
import { parseCorefile } from '../../src/dns/corefile/parser.ts'
import { HttpSiteList } from '../../src/dns/http-sites.ts'
import type { LineLevel } from '../../src/dns/line-log.ts'
import type { Message, Query, Question, ResourceRecord } from '../../src/dns/message.ts'
import type { SetupContext } from '../../src/dns/plugin.ts'
import type { IpAddress } from '../../src/net/ip.ts'
import { silentLogger } from '../../src/runtime/log.ts'
import { createMetrics } from '../../src/runtime/metrics.ts'

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
    directory: '/etc/coredns',
    log: silentLogger(),
    metrics: createMetrics(),
    lookup: () => undefined,
    cluster: {
      open: () => {
        throw new Error('this test has no cluster')
      },
    },
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
