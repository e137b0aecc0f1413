import { isRecordOf, type ResourceRecord } from '../message.ts'
import { WireReader } from '../wire/reader.ts'
import type { ZoneData } from './zone-data.ts'

/** The addresses that the zone has of the names that records lead to, each name once. Glue of delegations is among them. */
export function additionalsFor(
  zone: ZoneData,
  records: readonly ResourceRecord[],
): readonly ResourceRecord[] {
  const targets = new Set(records.map(targetOf).filter(target => target !== undefined))
  return [...targets].flatMap(target => {
    const node = zone.node(target.toLowerCase())
    return [...(node?.get('A') ?? []), ...(node?.get('AAAA') ?? [])]
  })
}

function targetOf(record: ResourceRecord): string | undefined {
  if (isRecordOf(record, 'NS')) return record.data
  if (isRecordOf(record, 'SRV')) return record.data.target
  if (isRecordOf(record, 'MX')) return record.data.exchange
  if (!(record.data instanceof Uint8Array)) return undefined
  if (record.type !== 'SVCB' && record.type !== 'HTTPS') return undefined
  // RFC 9460 section 2.2: two octets of priority, then the target; the root stands for the owner itself.
  const target = new WireReader(record.data, 2).name()
  return target === '.' ? record.name : target
}
