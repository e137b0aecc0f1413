import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { NodeplaneError } from '#runtime/error.ts'
import type { TransferTarget } from '../../authority/transfer-target.ts'
import { isRecordOf, type Message, type ResourceRecord, reply } from '../../message.ts'
import { frame, splitMessages } from '../../server/framing.ts'
import { decodeMessage } from '../../wire/decode.ts'
import { encodeMessage } from '../../wire/encode.ts'

/** A primary did not give the zone, or what it gave is none. */
export class TransferError extends NodeplaneError {
  readonly code = 'ERR_DNS_TRANSFER'
}

/** A zone that must not fill the memory. */
const MAX_RECORDS = 1_000_000
const MAX_OCTETS = 256 * 1024 * 1024
/** Without a message for so long a primary is given up, milliseconds. */
const IDLE_MS = 10_000

/** The SOA record that a primary has. @throws {TransferError} or the system error of the connection. */
export async function fetchSoa(
  zone: string,
  from: TransferTarget,
  signal: AbortSignal,
): Promise<ResourceRecord> {
  for await (const { answers } of exchange(zone, 'SOA', { from, signal })) {
    const soa = answers.find(record => isRecordOf(record, 'SOA'))
    if (soa !== undefined) return soa
    break
  }
  throw new TransferError(`${from.address} has no SOA record of ${zone}`)
}

/**
 * All records of a zone, the SOA record first and once (RFC 5936 section 2.2).
 * @throws {TransferError} or the system error of the connection.
 */
export async function fetchZone(
  zone: string,
  from: TransferTarget,
  signal: AbortSignal,
): Promise<readonly ResourceRecord[]> {
  const records: ResourceRecord[] = []
  for await (const { answers } of exchange(zone, 'AXFR', { from, signal })) {
    for (const record of answers) {
      if (records.length === 0 && record.type !== 'SOA')
        throw new TransferError('it begins without SOA')
      // The SOA record stands at both ends.
      if (records.length > 0 && record.type === 'SOA') return records
      if (records.length >= MAX_RECORDS) throw new TransferError(`more than ${MAX_RECORDS} records`)
      records.push(record)
    }
  }
  throw new TransferError(`${from.address} ended the transfer of ${zone} too early`)
}

/** Asks over TCP; gives the messages that come until the caller has enough. */
async function* exchange(
  zone: string,
  type: 'SOA' | 'AXFR',
  { from, signal }: { readonly from: TransferTarget; readonly signal: AbortSignal },
): AsyncGenerator<Message> {
  const id = randomInt(0x10000)
  const socket = connect({ host: from.address, port: from.port, noDelay: true, signal })
  try {
    socket.setTimeout(IDLE_MS, () => socket.destroy(new TransferError(`${from.address} is silent`)))
    await once(socket, 'connect', { signal })
    socket.write(frame(questionFor(zone, type, id)))
    for await (const packet of packetsOf(socket)) yield answerIn(packet, id, zone)
  } finally {
    socket.destroy()
  }
}

async function* packetsOf(socket: Socket): AsyncGenerator<Uint8Array> {
  let stream: Buffer = Buffer.alloc(0)
  let octets = 0
  for await (const segment of socket as AsyncIterable<Buffer>) {
    octets += segment.length
    if (octets > MAX_OCTETS) throw new TransferError(`more than ${MAX_OCTETS} octets`)
    const { messages, rest } = splitMessages(Buffer.concat([stream, segment]))
    stream = rest
    yield* messages
  }
}

const questionFor = (zone: string, type: string, id: number): Uint8Array =>
  encodeMessage({
    ...reply(),
    id,
    opcode: 'QUERY',
    isResponse: false,
    recursionDesired: false,
    checkingDisabled: false,
    question: { name: zone, type, class: 'IN' },
    edns: undefined,
  })

function answerIn(packet: Uint8Array, id: number, zone: string): Message {
  const decoded = decodeMessage(packet)
  if (decoded.kind !== 'message') throw new TransferError(`a malformed message: ${decoded.reason}`)
  const { message } = decoded
  const isOurs = message.isResponse && message.id === id
  const asked = message.question?.name.toLowerCase() ?? zone
  if (!isOurs || asked !== zone) throw new TransferError('an answer to another question')
  if (message.rcode !== 'NOERROR') throw new TransferError(`it answers ${message.rcode}`)
  return message
}
