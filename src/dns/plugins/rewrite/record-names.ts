import { type DataOf, isRecordOf, type Reply, type ResourceRecord } from '../../message.ts'
import { WireReader } from '../../wire/reader.ts'
import { WireWriter } from '../../wire/writer.ts'
import type { NameMap } from './name-match.ts'

/** Which names of a record are changed: that of its owner, those in its data. */
export type NamePlace = 'owner' | 'data'

/** The reply with the names of all its records changed where the map fits; others stay as they are. */
export function withNames(reply: Reply, place: NamePlace, map: NameMap): Reply {
  const change = (name: string): string => map(name.toLowerCase()) ?? name
  const each = (records: readonly ResourceRecord[]) =>
    records.map(record =>
      place === 'owner' ? { ...record, name: change(record.name) } : withDataNames(record, change),
    )
  return {
    ...reply,
    answers: each(reply.answers),
    authorities: each(reply.authorities),
    additionals: each(reply.additionals),
  }
}

function withDataNames(record: ResourceRecord, change: (name: string) => string): ResourceRecord {
  if (isRecordOf(record, 'CNAME') || isRecordOf(record, 'NS') || isRecordOf(record, 'PTR')) {
    return { ...record, data: change(record.data) }
  }
  if (isRecordOf(record, 'SRV')) {
    const data: DataOf<'SRV'> = record.data
    return { ...record, data: { ...data, target: change(data.target) } }
  }
  if (isRecordOf(record, 'MX')) {
    const data: DataOf<'MX'> = record.data
    return { ...record, data: { ...data, exchange: change(data.exchange) } }
  }
  if (isRecordOf(record, 'SOA')) {
    const data: DataOf<'SOA'> = record.data
    return { ...record, data: { ...data, mname: change(data.mname) } }
  }
  return withCarriedName(record, change)
}

/** The name in the octets of a type that is only carried: DNAME's target, NAPTR's replacement. */
function withCarriedName(record: ResourceRecord, change: (name: string) => string): ResourceRecord {
  if (!(record.data instanceof Uint8Array)) return record
  if (record.type !== 'DNAME' && record.type !== 'NAPTR') return record
  const reader = new WireReader(record.data)
  if (record.type === 'NAPTR') {
    reader.bytes(4)
    for (let strings = 0; strings < 3; strings++) reader.string()
  }
  const writer = new WireWriter({ compress: false })
  writer.bytes(record.data.subarray(0, reader.offset))
  writer.name(change(reader.name()))
  return { ...record, data: writer.finish() } as ResourceRecord
}
