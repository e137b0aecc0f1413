import {
  type DataOf,
  isRecordOf,
  type ResourceRecord,
  type SoaData,
  type SrvData,
} from './message.ts'

/** A record as a line of a zone file (RFC 1035 section 5.1), the parts `space` apart; what is not known as RFC 3597 has it. */
export const recordText = (record: ResourceRecord, space = ' '): string =>
  [record.name, record.ttl, record.class, record.type, recordDataText(record)].join(space)

/** Only what a record says. */
export function recordDataText(record: ResourceRecord): string {
  if (record.data instanceof Uint8Array) return opaqueText(record.data)
  if (isRecordOf(record, 'SRV')) return srvText(record.data)
  if (isRecordOf(record, 'SOA')) return soaText(record.data)
  if (isRecordOf(record, 'MX')) return mxText(record.data)
  if (isRecordOf(record, 'TXT')) return record.data.map(quoted).join(' ')
  if (isRecordOf(record, 'HINFO')) return [record.data.cpu, record.data.os].map(quoted).join(' ')
  return String(record.data)
}

const srvText = ({ priority, weight, port, target }: SrvData): string =>
  `${priority} ${weight} ${port} ${target}`

const mxText = ({ preference, exchange }: DataOf<'MX'>): string => `${preference} ${exchange}`

const soaText = ({ mname, rname, serial, refresh, retry, expire, minimum }: SoaData): string =>
  [mname, rname, serial, refresh, retry, expire, minimum].join(' ')

const opaqueText = (data: Uint8Array): string =>
  `\\# ${data.length}${data.length === 0 ? '' : ` ${Buffer.from(data).toString('hex')}`}`

/** A character string: quotes and backslashes escaped, other octets than printable ASCII as `\DDD`. */
const quoted = (string: Uint8Array | string): string =>
  `"${[...Buffer.from(string as string)].map(characterText).join('')}"`

function characterText(octet: number): string {
  const character = String.fromCharCode(octet)
  if (character === '"' || character === '\\') return `\\${character}`
  return octet >= 0x20 && octet < 0x7f ? character : `\\${String(octet).padStart(3, '0')}`
}
