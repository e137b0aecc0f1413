import { familyOf } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { isRecordOf, type Query, type Reply, type ResourceRecord, reply } from '../../message.ts'
import { counter } from '../../metric.ts'
import type { PluginDefinition } from '../../plugin.ts'
import { lookUp } from '../follow-alias.ts'
import { hasArguments, type OptionReader, readOptions } from '../option-readers.ts'
import { embed, parseEmbeddingPrefix } from './embed.ts'

/** What a `dns64` directive says. */
type Dns64Options = {
  readonly prefix: IpPrefix
  readonly translatesAll: boolean
  readonly allowsIpv4: boolean
}

/** How long an answer is kept when nothing says how long its AAAA is missing, seconds (RFC 6147 section 5.1.7). */
const MAX_TTL_WITHOUT_SOA = 600

/** `dns64`: AAAA records made of A records, for clients that have IPv6 only (RFC 6147). */
export const dns64: PluginDefinition = {
  name: 'dns64',
  repeatable: false,
  setup([directive], { metrics, server, lookup }) {
    if (directive === undefined) throw new TypeError('dns64: set up without directive')
    const options = parseDns64(directive)
    const translated = counter(metrics, {
      name: 'coredns_dns64_requests_translated_total',
      help: 'Queries that were answered by addresses made of IPv4 addresses.',
      labels: ['server'],
    })
    return {
      name: 'dns64',
      wrap: next => async (query, signal) => {
        const found = await next(query, signal)
        if (found === undefined || !isWanted(query, found, options)) return found
        const question = { ...query.question, type: 'A' }
        const ipv4 = await lookUp(question.name, { query: { ...query, question }, signal, lookup })
        if (ipv4 === undefined || ipv4.rcode !== 'NOERROR') return found
        translated.inc({ server })
        return synthesized(ipv4, found, options.prefix)
      },
    }
  },
}

function isWanted(
  { question, client, edns, checkingDisabled }: Query,
  found: Reply,
  options: Dns64Options,
): boolean {
  if (question.type !== 'AAAA' || question.class !== 'IN' || found.rcode === 'NXDOMAIN')
    return false
  if (familyOf(client.address) === 4 && !options.allowsIpv4) return false
  // RFC 6147 section 5.5: who validates must not be given what no one signed.
  if (edns?.dnssecOk === true && checkingDisabled) return false
  return options.translatesAll || !found.answers.some(record => isRecordOf(record, 'AAAA'))
}

/** TTLs: RFC 6147 section 5.1.7. Aliases stay. */
function synthesized(ipv4: Reply, found: Reply, prefix: IpPrefix): Reply {
  const soa = found.authorities.find(record => isRecordOf(record, 'SOA'))
  const maxTtl = soa?.ttl ?? MAX_TTL_WITHOUT_SOA
  const answers = ipv4.answers.map((record): ResourceRecord => {
    if (!isRecordOf(record, 'A')) return record
    const { name, ttl, data } = record
    return {
      name,
      type: 'AAAA',
      class: 'IN',
      ttl: Math.min(ttl, maxTtl),
      data: embed(prefix, data),
    }
  })
  return reply({
    answers,
    authorities: ipv4.authorities,
    additionals: ipv4.additionals,
    recursionAvailable: ipv4.recursionAvailable,
    truncated: ipv4.truncated,
  })
}

type Draft = { -readonly [Option in keyof Dns64Options]: Dns64Options[Option] }

function parseDns64(directive: Directive): Dns64Options {
  const problems = new DirectiveProblems('dns64')
  const [text = '64:ff9b::/96', ...more] = directive.args
  if (more.length > 0) problems.add(directive, 'takes one prefix')
  const fallback = { family: 6, address: '64:ff9b::', length: 96 } as IpPrefix
  const draft: Draft = { prefix: fallback, translatesAll: false, allowsIpv4: false }
  readPrefix(directive, text, draft, problems)
  readOptions(directive, draft, readers, problems)
  return draft
}

function readPrefix(
  line: Directive,
  text: string,
  draft: Draft,
  problems: DirectiveProblems,
): void {
  const prefix = parseEmbeddingPrefix(text)
  if (prefix === undefined) {
    problems.add(line, `'${text}' is no IPv6 prefix of length 32, 40, 48, 56, 64 or 96`)
  } else draft.prefix = prefix
}

const readers: Readonly<Record<string, OptionReader<Draft>>> = {
  prefix(option, draft, problems) {
    if (hasArguments(option, 1, problems)) readPrefix(option, option.args[0] ?? '', draft, problems)
  },
  translate_all(option, draft, problems) {
    if (hasArguments(option, 0, problems)) draft.translatesAll = true
  },
  allow_ipv4(option, draft, problems) {
    if (hasArguments(option, 0, problems)) draft.allowsIpv4 = true
  },
}
