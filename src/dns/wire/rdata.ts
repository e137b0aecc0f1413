import { type IpAddress, ipFromBytes, ipToBytes } from '#net/ip.ts'
import type { ResourceRecord, SoaData, SrvData } from '../message.ts'
import type { WireReader } from './reader.ts'
import { WireError } from './wire-error.ts'
import { WireWriter } from './writer.ts'

/** The RDATA of one type, both ways. */
type RdataCodec<Data> = {
  read(rdata: WireReader): Data
  write(writer: WireWriter, data: Data): void
}

const address = (octets: number): RdataCodec<IpAddress> => ({
  read(rdata) {
    if (rdata.remaining !== octets) throw new WireError(`an address of ${rdata.remaining} octets`)
    return ipFromBytes(rdata.bytes(octets))
  },
  write: (writer, data) => writer.bytes(ipToBytes(data)),
})

/** RFC 1035 types: their names may be compressed. */
const oneName: RdataCodec<string> = {
  read: rdata => rdata.name(),
  write: (writer, data) => writer.name(data),
}

const srv: RdataCodec<SrvData> = {
  read: rdata => ({
    priority: rdata.u16(),
    weight: rdata.u16(),
    port: rdata.u16(),
    target: rdata.name(),
  }),
  write(writer, { priority, weight, port, target }) {
    for (const value of [priority, weight, port]) writer.u16(value)
    // RFC 2782: name compression is not to be used for the target.
    writer.name(target, false)
  },
}

const soa: RdataCodec<SoaData> = {
  read: rdata => ({
    mname: rdata.name(),
    rname: rdata.name(),
    serial: rdata.u32(),
    refresh: rdata.u32(),
    retry: rdata.u32(),
    expire: rdata.u32(),
    minimum: rdata.u32(),
  }),
  write(writer, { mname, rname, serial, refresh, retry, expire, minimum }) {
    writer.name(mname)
    writer.name(rname)
    for (const value of [serial, refresh, retry, expire, minimum]) writer.u32(value)
  },
}

const mx: RdataCodec<{ readonly preference: number; readonly exchange: string }> = {
  read: rdata => ({ preference: rdata.u16(), exchange: rdata.name() }),
  write(writer, { preference, exchange }) {
    writer.u16(preference)
    writer.name(exchange)
  },
}

const txt: RdataCodec<readonly Uint8Array[]> = {
  read(rdata) {
    const strings: Uint8Array[] = []
    while (rdata.remaining > 0) strings.push(rdata.string())
    return strings
  },
  write(writer, strings) {
    for (const string of strings) writeString(writer, string)
  },
}

const hinfo: RdataCodec<{ readonly cpu: string; readonly os: string }> = {
  read: rdata => ({ cpu: latin1(rdata.string()), os: latin1(rdata.string()) }),
  write(writer, { cpu, os }) {
    for (const text of [cpu, os]) writeString(writer, Buffer.from(text, 'latin1'))
  },
}

const latin1 = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1')

function writeString(writer: WireWriter, string: Uint8Array): void {
  if (string.length > 255) throw new WireError(`a character-string of ${string.length} octets`)
  writer.u8(string.length)
  writer.bytes(string)
}

/** Codecs of any data; whoever looks one up knows which data fits. */
type Codecs = Readonly<
  Record<string, { read(rdata: WireReader): unknown; write(writer: WireWriter, data: never): void }>
>

const anyClass: Codecs = {
  CNAME: oneName,
  NS: oneName,
  PTR: oneName,
  SOA: soa,
  MX: mx,
  TXT: txt,
  HINFO: hinfo,
}
/** A, AAAA and SRV mean this in class IN only; Chaosnet's A record is another thing. */
const internet: Codecs = { ...anyClass, A: address(4), AAAA: address(16), SRV: srv }

function codecOf(type: string, recordClass: string): Codecs[string] | undefined {
  const codecs = recordClass === 'IN' ? internet : anyClass
  return Object.hasOwn(codecs, type) ? codecs[type] : undefined
}

/**
 * Types that are only carried but whose names old senders compress: all of RFC 1035, and those that RFC 3597 section 4 says a
 * receiver must decompress. A number is that many octets; what follows the listed fields is taken as it is.
 */
const carriedNames: Readonly<Record<string, readonly (number | 'name' | 'string')[]>> = {
  MD: ['name'],
  MF: ['name'],
  MB: ['name'],
  MG: ['name'],
  MR: ['name'],
  MINFO: ['name', 'name'],
  RP: ['name', 'name'],
  AFSDB: [2, 'name'],
  RT: [2, 'name'],
  KX: [2, 'name'],
  PX: [2, 'name', 'name'],
  SIG: [18, 'name'],
  NXT: ['name'],
  NAPTR: [4, 'string', 'string', 'string', 'name'],
  DNAME: ['name'],
}

/**
 * Reads RDATA: typed for the types of message.ts, else octets in which names stand in full.
 * @throws {WireError} the RDATA does not have the form of its type.
 */
export function readRdata(
  rdata: WireReader,
  type: string,
  recordClass: string,
): ResourceRecord['data'] {
  const codec = codecOf(type, recordClass)
  // Classes ANY and NONE carry empty RDATA for "no such record" (RFC 2136 section 2.4).
  if (codec === undefined || (rdata.remaining === 0 && recordClass !== 'IN')) {
    return readCarried(rdata, Object.hasOwn(carriedNames, type) ? carriedNames[type] : undefined)
  }
  const data = codec.read(rdata) as ResourceRecord['data']
  if (rdata.remaining !== 0) throw new WireError(`octets left over in ${type} data`)
  return data
}

function readCarried(
  rdata: WireReader,
  fields: readonly (number | 'name' | 'string')[] | undefined,
): Uint8Array {
  if (fields === undefined || rdata.remaining === 0) return rdata.bytes(rdata.remaining)
  const writer = new WireWriter({ compress: false })
  for (const field of fields) {
    if (field === 'name') writer.name(rdata.name())
    else if (field === 'string') writeString(writer, rdata.string())
    else writer.bytes(rdata.bytes(field))
  }
  writer.bytes(rdata.bytes(rdata.remaining))
  return writer.finish()
}

/** Writes RDATA without its length. @throws {WireError} a name or a string in it cannot be written. */
export function writeRdata(writer: WireWriter, record: ResourceRecord): void {
  if (record.data instanceof Uint8Array) {
    writer.bytes(record.data)
    return
  }
  const codec = codecOf(record.type, record.class)
  if (codec === undefined) throw new WireError(`typed data for a record of type ${record.type}`)
  codec.write(writer, record.data as never)
}
