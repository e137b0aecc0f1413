import type { Edns, EdnsOption, Message, Question, ResourceRecord } from '../message.ts'
import { FLAG, HEADER_OCTETS } from './header.ts'
import { classes, opcodes, rcodes, recordTypes } from './mnemonics.ts'
import { readRdata } from './rdata.ts'
import { WireReader } from './reader.ts'
import { WireError } from './wire-error.ts'

/** A malformed message is traffic, not an exception: the reason is for traces. */
export type Decoded =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'malformed'; readonly reason: string }

/**
 * Reads a message of any kind. Octets behind the last record are tolerated; more than one question, more than one OPT record
 * and RDATA that does not fit its type are malformed.
 *
 * dns-packet is not used here: beside its names (see name.ts) it decodes RDATA into values that cannot always be written back.
 */
export function decodeMessage(packet: Uint8Array): Decoded {
  try {
    return { kind: 'message', message: readMessage(new WireReader(packet)) }
  } catch (error) {
    if (error instanceof WireError) return { kind: 'malformed', reason: error.message }
    throw error
  }
}

function readMessage(reader: WireReader): Message {
  if (reader.remaining < HEADER_OCTETS) throw new WireError('shorter than a header')
  const id = reader.u16()
  const flags = reader.u16()
  const [questions, answerCount, authorityCount, additionalCount] = [
    reader.u16(),
    reader.u16(),
    reader.u16(),
    reader.u16(),
  ]
  if (questions > 1) throw new WireError(`${questions} questions`)
  const question = questions === 1 ? readQuestion(reader) : undefined
  const answers = readRecords(reader, answerCount)
  const authorities = readRecords(reader, authorityCount)
  const { records: additionals, edns, extendedRcode } = readAdditionals(reader, additionalCount)
  const has = (flag: number): boolean => (flags & flag) !== 0
  return {
    id,
    opcode: opcodes.toText((flags >> 11) & 0xf),
    isResponse: has(FLAG.QR),
    authoritative: has(FLAG.AA),
    truncated: has(FLAG.TC),
    recursionDesired: has(FLAG.RD),
    recursionAvailable: has(FLAG.RA),
    authenticData: has(FLAG.AD),
    checkingDisabled: has(FLAG.CD),
    rcode: rcodes.toText((extendedRcode << 4) | (flags & 0xf)),
    question,
    answers,
    authorities,
    additionals,
    edns,
  }
}

function readQuestion(reader: WireReader): Question {
  return {
    name: reader.name(),
    type: recordTypes.toText(reader.u16()),
    class: classes.toText(reader.u16()),
  }
}

function readRecords(reader: WireReader, count: number): readonly ResourceRecord[] {
  const records: ResourceRecord[] = []
  for (let index = 0; index < count; index++) {
    const head = readHead(reader)
    if (head.type === 'OPT') throw new WireError('an OPT record outside the additional section')
    records.push(readRecord(reader, head))
  }
  return records
}

/** What stands before RDLENGTH; in an OPT record class and TTL mean other things. */
type Head = { name: string; type: string; classNumber: number; ttl: number }

function readHead(reader: WireReader): Head {
  return {
    name: reader.name(),
    type: recordTypes.toText(reader.u16()),
    classNumber: reader.u16(),
    ttl: reader.u32(),
  }
}

function readRecord(reader: WireReader, { name, type, classNumber, ttl }: Head): ResourceRecord {
  const recordClass = classes.toText(classNumber)
  const data = readRdata(reader.part(reader.u16()), type, recordClass)
  // RFC 2181 section 8: a TTL with the highest bit set is zero.
  return { name, type, class: recordClass, ttl: ttl > 0x7fffffff ? 0 : ttl, data } as ResourceRecord
}

function readAdditionals(
  reader: WireReader,
  count: number,
): { records: readonly ResourceRecord[]; edns: Edns | undefined; extendedRcode: number } {
  const records: ResourceRecord[] = []
  let edns: Edns | undefined
  let extendedRcode = 0
  for (let index = 0; index < count; index++) {
    const head = readHead(reader)
    if (head.type !== 'OPT') {
      records.push(readRecord(reader, head))
      continue
    }
    // RFC 6891 section 6.1.1: a second OPT record is a format error.
    if (edns !== undefined || head.name !== '.') throw new WireError('a misplaced OPT record')
    extendedRcode = head.ttl >>> 24
    edns = {
      version: (head.ttl >>> 16) & 0xff,
      udpSize: head.classNumber,
      dnssecOk: (head.ttl & FLAG.DO) !== 0,
      options: readOptions(reader.part(reader.u16())),
    }
  }
  return { records, edns, extendedRcode }
}

function readOptions(rdata: WireReader): readonly EdnsOption[] {
  const options: EdnsOption[] = []
  while (rdata.remaining > 0) {
    options.push({ code: rdata.u16(), data: rdata.bytes(rdata.u16()) })
  }
  return options
}
