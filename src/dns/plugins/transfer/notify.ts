import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { familyOf, type IpAddress } from '#net/ip.ts'
import type { TransferTarget } from '../../authority/transfer-target.ts'
import { type ResourceRecord, reply } from '../../message.ts'
import { encodeMessage } from '../../wire/encode.ts'

/** How often NOTIFY is sent to a server that does not answer, and how long is waited for it (RFC 1996 section 3.6: our choice). */
const TRIES = 3
const WAIT_MS = 2_000

/** Tells a server that a zone changed (RFC 1996). @throws {Error} it did not answer. */
export async function notify(
  zone: string,
  soa: ResourceRecord,
  {
    target,
    source,
    signal,
  }: {
    readonly target: TransferTarget
    readonly source: IpAddress | undefined
    readonly signal: AbortSignal
  },
): Promise<void> {
  const isIPv6 = familyOf(target.address) === 6
  await using socket = createSocket(isIPv6 ? 'udp6' : 'udp4')
  socket.on('error', () => undefined)
  if (source !== undefined && familyOf(source) === familyOf(target.address)) {
    socket.bind({ address: source })
    await once(socket, 'listening')
  }
  socket.connect(target.port, target.address)
  await once(socket, 'connect')
  const id = randomInt(0x10000)
  const packet = notifyMessage(zone, soa, id)
  for (let attempt = 1; ; attempt++) {
    const waiting = AbortSignal.any([signal, AbortSignal.timeout(WAIT_MS)])
    try {
      socket.send(packet, () => undefined)
      const [answer] = (await once(socket, 'message', { signal: waiting })) as [Buffer]
      if (answer.length >= 12 && answer.readUInt16BE(0) === id) return
    } catch (error) {
      if (signal.aborted || attempt >= TRIES) throw error
    }
    if (attempt >= TRIES) throw new Error('it answered something else')
  }
}

const notifyMessage = (zone: string, soa: ResourceRecord, id: number): Uint8Array =>
  encodeMessage({
    ...reply({ authoritative: true, answers: [soa] }),
    id,
    opcode: 'NOTIFY',
    isResponse: false,
    recursionDesired: false,
    checkingDisabled: false,
    question: { name: zone, type: 'SOA', class: 'IN' },
    edns: undefined,
  })
