import { type DataOf, type Reply, type ResourceRecord, reply } from '../../message.ts'
import { joinName, longestZone } from '../../name.ts'
import type { ClusterZone, PluginDefinition, SetupContext } from '../../plugin.ts'
import type { Outcome, ZoneQuestion } from '../../zone/outcome.ts'
import { addressRecord } from '../../zone/records.ts'
import { fallsThrough } from '../fallthrough.ts'
import { followAlias } from '../follow-alias.ts'
import { notReady } from '../not-ready.ts'
import { lookupExternal } from './lookup.ts'
import { type ExternalOptions, parseExternal } from './options.ts'

/** `k8s_external`: the external addresses of Services, by names of a zone of their own. */
export const k8sExternal: PluginDefinition = {
  name: 'k8s_external',
  repeatable: false,
  needs: 'kubernetes',
  setup([directive], context) {
    if (directive === undefined) throw new TypeError('k8s_external: set up without directive')
    const options = parseExternal(directive, context.zones)
    return {
      name: 'k8s_external',
      wrap: next => (query, signal) => {
        const { name, type, class: queryClass } = query.question
        const lowerName = name.toLowerCase()
        const served = queryClass === 'IN' ? longestZone(options.zones, lowerName) : undefined
        if (served === undefined) return next(query, signal)
        const cluster = clusterZoneIn(context)
        const zone = name.slice(name.length - served.length)
        const outcome = lookup(cluster, options, { name, type, zone })
        if (outcome.kind === 'name-error' && fallsThrough(options.fallthrough, lowerName)) {
          return next(query, signal)
        }
        const answer = replyFrom(outcome, { zone, options, cluster })
        return followAlias(answer, { query, signal, lookup: context.lookup })
      },
    }
  },
}

const clusterZoneIn = ({ blocks, zones }: SetupContext): ClusterZone | undefined =>
  blocks()
    .find(block => block.zones === zones)
    ?.plugins.find(plugin => plugin.clusterZone !== undefined)?.clusterZone

/** The apex and the names of its server, else what Services have. */
function lookup(
  cluster: ClusterZone | undefined,
  options: ExternalOptions,
  question: ZoneQuestion,
): Outcome {
  const { name, type, zone } = question
  const { apex, ttl } = options
  const path = name.toLowerCase().slice(0, -zone.length)
  if (type === 'AXFR' || type === 'IXFR') return { kind: 'refused' }
  const server = joinName(`ns1.${apex}`, zone)
  const glue = (cluster?.options.localAddresses ?? []).map(ip => addressRecord(server, ttl, ip))
  if (path === '') {
    const records: readonly ResourceRecord[] =
      type === 'SOA'
        ? [soa(zone, options, cluster)]
        : type === 'NS'
          ? [{ name, type: 'NS', class: 'IN', ttl, data: server }]
          : []
    if (records.length === 0) return { kind: 'no-data' }
    return { kind: 'answer', answers: records, additionals: type === 'NS' ? glue : [] }
  }
  if (path === `${apex}.`) return { kind: 'no-data' }
  if (path === `ns1.${apex}.`) {
    const answers = glue.filter(record => record.type === type).map(record => ({ ...record, name }))
    return answers.length === 0 ? { kind: 'no-data' } : { kind: 'answer', answers, additionals: [] }
  }
  if (path.endsWith(`.${apex}.`) || cluster === undefined) return { kind: 'name-error' }
  return lookupExternal(cluster, options, question)
}

type ReplyContext = {
  readonly zone: string
  readonly options: ExternalOptions
  readonly cluster: ClusterZone | undefined
}

function soa(
  zone: string,
  { apex, ttl }: ExternalOptions,
  cluster: ClusterZone | undefined,
): ResourceRecord {
  const data: DataOf<'SOA'> = {
    mname: joinName(`ns1.${apex}`, zone),
    rname: joinName(`hostmaster.${apex}`, zone),
    serial: cluster?.index.serial ?? 0,
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
    minimum: ttl,
  }
  return { name: zone, type: 'SOA', class: 'IN', ttl, data }
}

/** A name is not denied before all of the cluster is known: clients would keep that. */
function replyFrom(outcome: Outcome, { zone, options, cluster }: ReplyContext): Reply {
  const negative = { authoritative: true, authorities: [soa(zone, options, cluster)] }
  switch (outcome.kind) {
    case 'answer':
      return reply({
        authoritative: true,
        answers: outcome.answers,
        additionals: outcome.additionals,
      })
    case 'alias':
      return reply({ authoritative: true, answers: outcome.chain })
    case 'no-data':
      return reply(negative)
    case 'name-error':
      return reply({
        ...negative,
        ...(cluster?.mayDeny() === true ? { rcode: 'NXDOMAIN' } : notReady),
      })
    case 'refused':
      return reply({ rcode: 'REFUSED' })
  }
}
