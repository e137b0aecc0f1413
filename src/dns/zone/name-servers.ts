import type { IpAddress } from '#net/ip.ts'
import type { ResourceRecord } from '../message.ts'
import { joinName } from '../name.ts'
import { isHeadless } from './find.ts'
import type { ZoneQuestion } from './outcome.ts'
import { addressRecord } from './records.ts'
import { isReverseZone } from './reverse-name.ts'
import type { SliceNode } from './slice-node.ts'
import { clusterIpsOf, type ZoneIndex } from './zone-index.ts'
import type { ZoneOptions } from './zone-options.ts'

type NameServer = { readonly path: string; readonly address: IpAddress }

/**
 * The NS records of the apex with the addresses of their targets: the Services of which this server is an endpoint
 * (whether or not their namespace is exposed), or `ns.dns` of the zone.
 */
export function nameServerRecords(
  index: ZoneIndex,
  options: ZoneOptions,
  { name, zone }: ZoneQuestion,
): {
  readonly answers: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
} {
  // Names of servers exist in a forward zone only; CoreDNS points reverse zones at names that do not resolve.
  const targetZone = isReverseZone(zone.toLowerCase()) ? options.primaryZone : zone
  const { ttl } = options
  const answers = new Map<string, ResourceRecord>()
  const additionals = new Map<string, ResourceRecord>()
  for (const { path, address } of nameServers(index, options)) {
    const target = joinName(path, targetZone)
    answers.set(path, { name, type: 'NS', class: 'IN', ttl, data: target })
    additionals.set(`${path} ${address}`, addressRecord(target, ttl, address))
  }
  return { answers: [...answers.values()], additionals: [...additionals.values()] }
}

function nameServers(index: ZoneIndex, { localAddresses }: ZoneOptions): readonly NameServer[] {
  const servers = localAddresses
    .flatMap(address => index.slicesAt(address))
    .flatMap(node => serversBehind(index, node))
  if (servers.length > 0) return servers
  return localAddresses.map(address => ({ path: 'ns.dns', address }))
}

function serversBehind(index: ZoneIndex, node: SliceNode): readonly NameServer[] {
  const { service } = index.service(node.serviceKey)
  if (service === undefined) return []
  const path = `${service.metadata.name}.${service.metadata.namespace}.svc`
  if (!isHeadless(service)) return clusterIpsOf(service).map(address => ({ path, address }))
  return Array.from(node.members(), ({ name, address }) => ({ path: `${name}.${path}`, address }))
}
