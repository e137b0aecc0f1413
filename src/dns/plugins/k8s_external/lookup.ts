import type { Service } from '#cluster/objects.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import type { ResourceRecord } from '../../message.ts'
import { joinName, splitLabels, toFqdn } from '../../name.ts'
import type { ClusterZone } from '../../plugin.ts'
import { type Host, isExposed, isHeadless } from '../../zone/find.ts'
import type { Outcome, ZoneQuestion } from '../../zone/outcome.ts'
import { addressRecords, srvRecords } from '../../zone/records.ts'
import { addressFromReverseName, isReverseZone } from '../../zone/reverse-name.ts'
import type { ExternalOptions } from './options.ts'

const NO_DATA: Outcome = { kind: 'no-data' }
const NAME_ERROR: Outcome = { kind: 'name-error' }

/** Answers from the external addresses of Services. The apex is the plugin's. */
export function lookupExternal(
  cluster: ClusterZone,
  options: ExternalOptions,
  question: ZoneQuestion,
): Outcome {
  const lowerZone = question.zone.toLowerCase()
  const name = question.name.toLowerCase()
  if (isReverseZone(lowerZone)) return lookupReverse(cluster, options, question)
  const labels = splitLabels(name.slice(0, -lowerZone.length))
  const [namespace = '', service, protocol, port, ...more] = labels.toReversed()
  if (more.length > 0 || (protocol !== undefined && port === undefined)) return NAME_ERROR
  if (!isExposed(cluster.index, cluster.options, namespace)) return NAME_ERROR
  if (service === undefined) return NO_DATA
  const found = cluster.index.service(`${namespace}/${service}`).service
  if (found === undefined) return NAME_ERROR
  const wanted =
    port === undefined ? undefined : { port: bare(port), protocol: bare(protocol ?? '') }
  return outcomeOf(found, wanted, { cluster, options, question })
}

const bare = (label: string): string => (label.startsWith('_') ? label.slice(1) : label)

type Context = {
  readonly cluster: ClusterZone
  readonly options: ExternalOptions
  readonly question: ZoneQuestion
}

function outcomeOf(
  service: Service,
  wanted: { readonly port: string; readonly protocol: string } | undefined,
  { cluster, options, question }: Context,
): Outcome {
  const { name, type, zone } = question
  const { ttl } = options
  const addresses = addressesOf(service, cluster, options)
  const hostName = service.loadBalancerIngress.find(({ hostname }) => hostname)?.hostname
  const ports = service.ports.filter(
    port =>
      wanted === undefined ||
      (port.name !== '' &&
        port.name.toLowerCase() === wanted.port &&
        port.protocol.toLowerCase() === wanted.protocol),
  )
  if (
    (addresses.length === 0 && hostName === undefined) ||
    (wanted !== undefined && ports.length === 0)
  ) {
    return NAME_ERROR
  }
  if (type === 'A' || type === 'AAAA') {
    const answers = addressRecords(addresses, { name, type, ttl })
    if (addresses.length > 0) return answer(answers)
    const target = toFqdn(hostName ?? '')
    return {
      kind: 'alias',
      chain: [{ name, type: 'CNAME', class: 'IN', ttl, data: target }],
      target,
    }
  }
  if (type !== 'SRV') return NO_DATA
  const { name: own, namespace } = service.metadata
  const hosts: readonly Host[] = addresses.flatMap(address =>
    ports.map(({ port }) => ({ address, port, path: `${own}.${namespace}` })),
  )
  const { answers, additionals } = srvRecords(hosts, { name, zone, ttl })
  if (hosts.length > 0 || hostName === undefined) return answer(answers, additionals)
  return answer(
    ports.map(({ port }) => ({
      name,
      type: 'SRV',
      class: 'IN',
      ttl,
      data: { priority: 0, weight: 100, port, target: toFqdn(hostName) },
    })),
  )
}

function addressesOf(
  service: Service,
  { index }: ClusterZone,
  { headless }: ExternalOptions,
): readonly IpAddress[] {
  const texts = [...service.externalIPs, ...service.loadBalancerIngress.map(({ ip }) => ip ?? '')]
  const external = [...new Set(texts.map(parseIp).filter(ip => ip !== undefined))]
  if (external.length > 0 || !headless || !isHeadless(service)) return external
  const { namespace, name } = service.metadata
  return index.service(`${namespace}/${name}`).slices.flatMap(slice => [...slice.addresses()])
}

/** Looks at every Service: such questions are rare. */
function lookupReverse(
  cluster: ClusterZone,
  options: ExternalOptions,
  question: ZoneQuestion,
): Outcome {
  const { name, type } = question
  const address = type === 'PTR' ? addressFromReverseName(name.toLowerCase()) : undefined
  const zone = options.zones.find(candidate => !isReverseZone(candidate))
  if (address === undefined || zone === undefined) return NAME_ERROR
  const answers: ResourceRecord[] = []
  for (const { service } of cluster.index.services()) {
    if (
      service === undefined ||
      !isExposed(cluster.index, cluster.options, service.metadata.namespace)
    )
      continue
    if (!addressesOf(service, cluster, options).includes(address)) continue
    const data = joinName(`${service.metadata.name}.${service.metadata.namespace}`, zone)
    answers.push({ name, type: 'PTR', class: 'IN', ttl: options.ttl, data })
  }
  return answers.length === 0 ? NAME_ERROR : answer(answers)
}

const answer = (
  answers: readonly ResourceRecord[],
  additionals: readonly ResourceRecord[] = [],
): Outcome => (answers.length === 0 ? NO_DATA : { kind: 'answer', answers, additionals })
