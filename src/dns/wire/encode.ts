import type { Edns, Message, ResourceRecord } from '../message.ts'
import { FLAG } from './header.ts'
import { classes, type Mnemonics, opcodes, rcodes, recordTypes } from './mnemonics.ts'
import { writeRdata } from './rdata.ts'
import { WireError } from './wire-error.ts'
import { WireWriter } from './writer.ts'

/** The largest message: streams carry its length in 16 bits (RFC 1035 section 4.2.2). */
export const MAX_MESSAGE_OCTETS = 65_535

export type EncodeOptions = {
  /** The message is cut to this many octets by whole records, and TC set. {@link MAX_MESSAGE_OCTETS} when not given. */
  readonly maxOctets?: number
  /** Names are compressed only in messages that are longer without; `maxOctets` when not given. */
  readonly compressAboveOctets?: number
}

/**
 * The octets of a message. What does not fit is dropped from the end: of the additional section first, then authority, then
 * answer; header, question and OPT record always stay.
 *
 * dns-packet is not used here: it never compresses names (RFC 1035 section 4.1.4), so answers of many records would be cut
 * where other servers' fit.
 * @throws {WireError} a name, mnemonic or string in the message has no octets.
 */
export function encodeMessage(message: Message, options: EncodeOptions = {}): Uint8Array {
  const { maxOctets = MAX_MESSAGE_OCTETS, compressAboveOctets = maxOctets } = options
  if (compressAboveOctets > 0) {
    const plain = write(message, { compress: false, maxOctets })
    if (!plain.cut && plain.octets.length <= compressAboveOctets) return plain.octets
  }
  return write(message, { compress: true, maxOctets }).octets
}

function write(
  message: Message,
  { compress, maxOctets }: { readonly compress: boolean; readonly maxOctets: number },
): { readonly octets: Uint8Array; readonly cut: boolean } {
  const writer = new WireWriter({ compress })
  const rcode = numberOf(rcodes, message.rcode)
  if (rcode > 0xf && message.edns === undefined) {
    throw new WireError(`rcode ${message.rcode} needs an OPT record`)
  }
  const flags = flagsOf(message) | (rcode & 0xf)
  writer.u16(message.id)
  writer.u16(flags)
  for (let count = 0; count < 4; count++) writer.u16(0)
  if (message.question !== undefined) {
    writer.name(message.question.name)
    writer.u16(numberOf(recordTypes, message.question.type))
    writer.u16(numberOf(classes, message.question.class))
  }
  const opt = message.edns && optOctets(message.edns, rcode, maxOctets - writer.length)
  const room = maxOctets - (opt?.length ?? 0)
  const sections = [message.answers, message.authorities, message.additionals]
  const written = writeSections(writer, sections, room)
  const cut = written.some((count, index) => count < (sections[index]?.length ?? 0))
  if (opt !== undefined) writer.bytes(opt)
  if (cut) writer.setU16(2, flags | FLAG.TC)
  const [answers = 0, authorities = 0, additionals = 0] = written
  const counts = [
    message.question === undefined ? 0 : 1,
    answers,
    authorities,
    additionals + (opt === undefined ? 0 : 1),
  ]
  counts.forEach((count, index) => writer.setU16(4 + 2 * index, count))
  return { octets: writer.finish(), cut }
}

/** Writes records until one does not fit; gives the number written of each section. */
function writeSections(
  writer: WireWriter,
  sections: readonly (readonly ResourceRecord[])[],
  maxOctets: number,
): readonly number[] {
  const written = sections.map(() => 0)
  for (const [section, records] of sections.entries()) {
    for (const record of records) {
      const start = writer.length
      writeRecord(writer, record)
      if (writer.length > maxOctets) {
        writer.rewind(start)
        return written
      }
      written[section] = (written[section] ?? 0) + 1
    }
  }
  return written
}

function writeRecord(writer: WireWriter, record: ResourceRecord): void {
  writer.name(record.name)
  writer.u16(numberOf(recordTypes, record.type))
  writer.u16(numberOf(classes, record.class))
  writer.u32(record.ttl)
  const lengthAt = writer.length
  writer.u16(0)
  writeRdata(writer, record)
  const length = writer.length - lengthAt - 2
  if (length > 0xffff) throw new WireError(`${record.type} data of ${length} octets`)
  writer.setU16(lengthAt, length)
}

/** The OPT record; without its options where they do not fit, for it must not be lost (RFC 6891 section 7). */
function optOctets(edns: Edns, rcode: number, maxOctets: number): Uint8Array {
  const writer = new WireWriter({ compress: false })
  writer.name('.')
  writer.u16(numberOf(recordTypes, 'OPT'))
  writer.u16(edns.udpSize)
  writer.u8(rcode >> 4)
  writer.u8(edns.version)
  writer.u16(edns.dnssecOk ? FLAG.DO : 0)
  const lengthAt = writer.length
  writer.u16(0)
  for (const { code, data } of edns.options) {
    writer.u16(code)
    writer.u16(data.length)
    writer.bytes(data)
  }
  if (writer.length > maxOctets) writer.rewind(lengthAt + 2)
  writer.setU16(lengthAt, writer.length - lengthAt - 2)
  return writer.finish()
}

function flagsOf(message: Message): number {
  return (
    (message.isResponse ? FLAG.QR : 0) |
    (numberOf(opcodes, message.opcode) << 11) |
    (message.authoritative ? FLAG.AA : 0) |
    (message.truncated ? FLAG.TC : 0) |
    (message.recursionDesired ? FLAG.RD : 0) |
    (message.recursionAvailable ? FLAG.RA : 0) |
    (message.authenticData ? FLAG.AD : 0) |
    (message.checkingDisabled ? FLAG.CD : 0)
  )
}

function numberOf(mnemonics: Mnemonics, text: string): number {
  const number = mnemonics.toNumber(text)
  if (number === undefined) throw new WireError(`${JSON.stringify(text)} is no known mnemonic`)
  return number
}
