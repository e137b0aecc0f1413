import type { ResourceRecord } from '../../message.ts'
import { joinName } from '../../name.ts'
import { isHeadless } from '../../zone/find.ts'
import { lookup } from '../../zone/lookup.ts'
import type { ServiceNode } from '../../zone/zone-index.ts'
import type { ZoneView } from './zone-views.ts'

/** All records of the zone but the SOA, as questions for them are answered: what `transfer` sends. */
export function* zoneContent(cluster: ZoneView, zone: string): Generator<ResourceRecord> {
  const ask = (name: string, type: string): readonly ResourceRecord[] => {
    const outcome = lookup(cluster.index, cluster.options, { name, type, zone })
    if (outcome.kind === 'alias') return outcome.chain.slice(0, 1)
    return outcome.kind === 'answer' ? outcome.answers : []
  }
  yield* ask(zone, 'NS')
  yield* ask(joinName('ns.dns', zone), 'A')
  yield* ask(joinName('ns.dns', zone), 'AAAA')
  for (const node of cluster.index.services()) yield* serviceContent(node, zone, ask)
}

function* serviceContent(
  { service, slices }: ServiceNode,
  zone: string,
  ask: (name: string, type: string) => readonly ResourceRecord[],
): Generator<ResourceRecord> {
  if (service === undefined) return
  const name = joinName(`${service.metadata.name}.${service.metadata.namespace}.svc`, zone)
  if (service.type === 'ExternalName') {
    yield* ask(name, 'CNAME')
    return
  }
  for (const type of ['A', 'AAAA', 'SRV']) yield* ask(name, type)
  const ports = service.ports.filter(port => port.name !== '')
  for (const port of ports) {
    yield* ask(joinName(`_${port.name}._${port.protocol.toLowerCase()}`, name), 'SRV')
  }
  if (!isHeadless(service)) return
  const endpoints = new Set(
    slices.flatMap(slice => Array.from(slice.members(), ({ name: own }) => own)),
  )
  for (const endpoint of endpoints) {
    for (const type of ['A', 'AAAA']) yield* ask(joinName(endpoint, name), type)
  }
}
