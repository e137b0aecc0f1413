import type { IpAddress } from '#net/ip.ts'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import { type DataOf, type Query, type Reply, type ResourceRecord, reply } from '../../message.ts'
import { counter } from '../../metric.ts'
import { longestZone } from '../../name.ts'
import type { PluginDefinition } from '../../plugin.ts'

/** A week: nothing of this ever changes. Seconds. */
const TTL = 604_800

const REVERSE_ZONES = ['0.in-addr.arpa.', '127.in-addr.arpa.', '255.in-addr.arpa.']
const ZONES = ['localhost.', ...REVERSE_ZONES]

/** `local`: answers names of this machine, which must not be asked of anyone else (RFC 6761 section 6.3, RFC 6303). */
export const local: PluginDefinition = {
  name: 'local',
  repeatable: true,
  setup(directives, { metrics }) {
    const takesPrefix = directives.map(parseLocal).every(Boolean)
    const belowLocalhost = counter(metrics, {
      name: 'coredns_local_localhost_requests_total',
      help: 'Queries for names that begin with localhost and are below another zone.',
    })
    return {
      name: 'local',
      wrap: next => (query, signal) => {
        const name = query.question.name.toLowerCase()
        if (query.question.class !== 'IN') return next(query, signal)
        const zone = longestZone(ZONES, name)
        if (zone !== undefined) return answer(query, recordsOf(name, zone), zone)
        if (!takesPrefix || !name.startsWith('localhost.')) return next(query, signal)
        belowLocalhost.inc()
        return answer(query, loopback, name)
      },
    }
  },
}

/** Are names like `localhost.example.org` answered? */
function parseLocal(directive: Directive): boolean {
  const { args, block = [] } = directive
  if (args.length > 0)
    throw directiveError(directive, `takes no argument, remove '${args.join(' ')}'`)
  let takesPrefix = true
  for (const line of block) {
    const word = line.args.join(' ')
    if (line.name !== 'localhost_prefix' || (word !== 'on' && word !== 'off')) {
      throw directiveError(line, 'unknown option, there is: localhost_prefix on|off')
    }
    takesPrefix = word === 'on'
  }
  return takesPrefix
}

const soa: DataOf<'SOA'> = {
  mname: 'localhost.',
  rname: 'root.localhost.',
  serial: 1,
  refresh: 0,
  retry: 0,
  expire: 0,
  minimum: TTL,
}

/** Those of the records that are of the type; without any the zone's SOA says so. */
function answer({ question }: Query, records: readonly RecordData[], zone: string): Reply {
  const owner = { name: question.name, class: 'IN', ttl: TTL }
  const answers = records
    .filter(({ type }) => type === question.type)
    .map(record => ({ ...owner, ...record }) as ResourceRecord)
  if (answers.length > 0) return reply({ answers })
  return reply({ authorities: [{ name: zone, type: 'SOA', class: 'IN', ttl: TTL, data: soa }] })
}

type RecordData = Pick<ResourceRecord, 'type' | 'data'>

const loopback: readonly RecordData[] = [
  { type: 'A', data: '127.0.0.1' as IpAddress },
  { type: 'AAAA', data: '::1' as IpAddress },
]
const apex: readonly RecordData[] = [
  { type: 'SOA', data: soa },
  { type: 'NS', data: 'localhost.' },
]

function recordsOf(name: string, zone: string): readonly RecordData[] {
  if (zone === 'localhost.') return name === zone ? [...loopback, ...apex] : loopback
  if (name === '1.0.0.127.in-addr.arpa.') return [{ type: 'PTR', data: 'localhost.' }]
  return name === zone ? apex : []
}
