import type { ResourceRecord } from '../message.ts'
import { readRdata } from '../wire/rdata.ts'
import { WireReader } from '../wire/reader.ts'
import { WireError } from '../wire/wire-error.ts'
import { WireWriter } from '../wire/writer.ts'
import { type Fields, octetsOf } from './fields.ts'
import { writeServiceParameters } from './service-parameters.ts'
import { ZoneFileError } from './zone-file-error.ts'

type Data = ResourceRecord['data']

const U8 = 0xff
const U16 = 0xffff
const U32 = 0xffffffff

const oneName = (fields: Fields): Data => fields.name()

/** Types whose data has a form of its own in message.ts. */
const typed: Readonly<Record<string, (fields: Fields) => Data>> = {
  A: fields => fields.address(4),
  AAAA: fields => fields.address(6),
  CNAME: oneName,
  NS: oneName,
  PTR: oneName,
  MX: fields => ({ preference: fields.number('preference', U16), exchange: fields.name() }),
  SRV: fields => ({
    priority: fields.number('priority', U16),
    weight: fields.number('weight', U16),
    port: fields.number('port', U16),
    target: fields.name(),
  }),
  SOA: fields => ({
    mname: fields.name(),
    rname: fields.name(),
    serial: fields.number('serial', U32),
    refresh: fields.seconds('refresh'),
    retry: fields.seconds('retry'),
    expire: fields.seconds('expire'),
    minimum: fields.seconds('minimum'),
  }),
  TXT: fields => {
    const strings = [fields.string('a text')]
    while (fields.remaining > 0) strings.push(fields.string('a text'))
    return strings
  },
  HINFO: fields => ({ cpu: latin1(fields.string('cpu')), os: latin1(fields.string('os')) }),
}

const latin1 = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1')

type Write = (writer: WireWriter, fields: Fields) => void

const writeString = (writer: WireWriter, octets: Uint8Array): void => {
  writer.u8(octets.length)
  writer.bytes(octets)
}

const digest: Write = (writer, fields) => {
  writer.u16(fields.number('key tag', U16))
  writer.u8(fields.number('algorithm', U8))
  writer.u8(fields.number('digest type', U8))
  writer.bytes(fields.hex('hexadecimal digest'))
}

const publicKey: Write = (writer, fields) => {
  writer.u16(fields.number('flags', U16))
  writer.u8(fields.number('protocol', U8))
  writer.u8(fields.number('algorithm', U8))
  writer.bytes(fields.base64('base64 key'))
}

const service: Write = (writer, fields) => {
  writer.u16(fields.number('priority', U16))
  writer.name(fields.name())
  writeServiceParameters(writer, fields)
}

/** Types that are carried as octets. Others are written in the generic form `\# LENGTH HEX` (RFC 3597 section 5). */
const carried: Readonly<Record<string, Write>> = {
  DNAME: (writer, fields) => writer.name(fields.name()),
  DS: digest,
  CDS: digest,
  DNSKEY: publicKey,
  CDNSKEY: publicKey,
  SPF: (writer, fields) => {
    while (fields.remaining > 0) writeString(writer, fields.string('a text'))
  },
  CAA(writer, fields) {
    writer.u8(fields.number('flags', U8))
    writeString(writer, fields.string('tag'))
    writer.bytes(octetsOf(fields.word('a value')))
  },
  TLSA(writer, fields) {
    for (const what of ['usage', 'selector', 'matching type']) writer.u8(fields.number(what, U8))
    writer.bytes(fields.hex('hexadecimal data'))
  },
  SSHFP(writer, fields) {
    for (const what of ['algorithm', 'fingerprint type']) writer.u8(fields.number(what, U8))
    writer.bytes(fields.hex('hexadecimal fingerprint'))
  },
  NAPTR(writer, fields) {
    for (const what of ['order', 'preference']) writer.u16(fields.number(what, U16))
    for (const what of ['flags', 'services', 'regexp']) writeString(writer, fields.string(what))
    writer.name(fields.name())
  },
  URI(writer, fields) {
    for (const what of ['priority', 'weight']) writer.u16(fields.number(what, U16))
    writer.bytes(octetsOf(fields.word('a target')))
  },
  RP(writer, fields) {
    writer.name(fields.name())
    writer.name(fields.name())
  },
  SVCB: service,
  HTTPS: service,
  RRSIG(writer, fields) {
    writer.u16(fields.type())
    writer.u8(fields.number('algorithm', U8))
    writer.u8(fields.number('labels', U8))
    writer.u32(fields.number('original TTL', U32))
    writer.u32(timeOf(fields.word('an expiration')))
    writer.u32(timeOf(fields.word('an inception')))
    writer.u16(fields.number('key tag', U16))
    writer.name(fields.name())
    writer.bytes(fields.base64('base64 signature'))
  },
  NSEC(writer, fields) {
    writer.name(fields.name())
    writeTypes(writer, fields)
  },
}

/** `YYYYMMDDHHmmSS` or seconds since the epoch (RFC 4034 section 3.2). */
function timeOf(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text) >>> 0
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text) ?? []
  if (y === undefined) throw new ZoneFileError(`'${text}' is no time, write YYYYMMDDHHmmSS`)
  const ms = Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s))
  return Math.floor(ms / 1000) >>> 0
}

/** Type bit maps (RFC 4034 section 4.1.2). */
function writeTypes(writer: WireWriter, fields: Fields): void {
  const windows = new Map<number, Uint8Array>()
  while (fields.remaining > 0) {
    const type = fields.type()
    const window = windows.get(type >> 8) ?? new Uint8Array(32)
    windows.set(type >> 8, window)
    const index = (type & 0xff) >> 3
    window[index] = (window[index] as number) | (0x80 >> (type & 7))
  }
  for (const [number, bits] of [...windows].sort(([a], [b]) => a - b)) {
    const used = bits.subarray(0, bits.findLastIndex(octet => octet !== 0) + 1)
    writer.u8(number)
    writeString(writer, used)
  }
}

/**
 * The data of a record of this type in zone-file form.
 * @throws {ZoneFileError} it does not have the form of its type, or the type has none here.
 */
export function parseRdata(type: string, fields: Fields): Data {
  try {
    const data = dataOf(type, fields)
    if (fields.remaining > 0) throw new ZoneFileError(`'${fields.word('')}' is too much`)
    return data
  } catch (error) {
    if (!(error instanceof ZoneFileError || error instanceof WireError)) throw error
    throw new ZoneFileError(`${type}: ${error.message}`, { cause: error })
  }
}

function dataOf(type: string, fields: Fields): Data {
  if (fields.peek()?.text === '\\#') return genericData(type, fields)
  const read = Object.hasOwn(typed, type) ? typed[type] : undefined
  if (read !== undefined) return read(fields)
  const write = Object.hasOwn(carried, type) ? carried[type] : undefined
  if (write === undefined)
    throw new ZoneFileError('has no form here, write \\# LENGTH HEX (RFC 3597)')
  const writer = new WireWriter({ compress: false })
  write(writer, fields)
  return writer.finish()
}

function genericData(type: string, fields: Fields): Data {
  fields.word('')
  const length = fields.number('length', U16)
  const octets = fields.hex('hexadecimal data')
  if (octets.length !== length) throw new ZoneFileError(`${octets.length} octets, not ${length}`)
  return readRdata(new WireReader(octets), type, 'IN')
}
