import type { IpAddress } from '#net/ip.ts'
import type { ResourceRecord } from '../message.ts'
import { joinName } from '../name.ts'
import type { Outcome, ZoneQuestion } from './outcome.ts'
import { addressFromReverseName } from './reverse-name.ts'
import type { ZoneIndex } from './zone-index.ts'
import type { ZoneOptions } from './zone-options.ts'

/** Answers from a reverse zone. Only the apex and the PTR records of known addresses exist. */
export function lookupReverse(
  index: ZoneIndex,
  options: ZoneOptions,
  { name, zone, type }: ZoneQuestion,
): Outcome {
  if (name.length === zone.length) return { kind: 'no-data' }
  const address = type === 'PTR' ? addressFromReverseName(name.toLowerCase()) : undefined
  const targets = address === undefined ? [] : targetsOf(index, options, address)
  if (targets.length === 0) return { kind: 'name-error' }
  const answers = targets.map(
    (path): ResourceRecord => ({
      name,
      type: 'PTR',
      class: 'IN',
      ttl: options.ttl,
      data: joinName(path, options.primaryZone),
    }),
  )
  return { kind: 'answer', answers, additionals: [] }
}

/** The Service with this cluster IP alone, else every counted endpoint with the address. */
function targetsOf(
  index: ZoneIndex,
  { namespaces }: ZoneOptions,
  address: IpAddress,
): readonly string[] {
  // A selector of namespaces (namespace_labels) hides nothing here, as in CoreDNS.
  const isVisible = (namespace: string) => namespaces?.has(namespace) ?? true
  const service = index.servicesAt(address).find(({ metadata }) => isVisible(metadata.namespace))
  if (service !== undefined) return [`${service.metadata.name}.${service.metadata.namespace}.svc`]
  const paths = new Set<string>()
  for (const node of index.slicesAt(address)) {
    const [namespace = '', serviceName = ''] = node.serviceKey.split('/')
    if (!isVisible(namespace)) continue
    for (const member of node.members()) {
      if (member.address === address) paths.add(`${member.name}.${serviceName}.${namespace}.svc`)
    }
  }
  return [...paths]
}
