import { randomInt } from 'node:crypto'
import { isRecordOf, type Message, reply } from '#dns/message.ts'
import { decodeMessage } from '#dns/wire/decode.ts'
import { encodeMessage } from '#dns/wire/encode.ts'
import type { NetworkNamespace } from '#linux/namespace.ts'
import { askByUdp, type UdpAnswer } from '#linux/udp-question.ts'
import type { IpAddress } from '#net/ip.ts'

export type DnsQuestion = {
  readonly name: string
  /** Its mnemonic. */
  readonly type: string
  readonly server: IpAddress
  readonly port?: number | undefined
  readonly timeoutMs: number
  readonly namespace?: NetworkNamespace | undefined
}

export type NoAnswer = { readonly failed: Extract<UdpAnswer, string> | 'malformed' }

export type DnsAnswer =
  | { readonly rcode: string; readonly addresses: readonly IpAddress[] }
  | NoAnswer

/** Asks a server by UDP, once, as a resolver library does. Never rejects. */
export async function askDns(question: DnsQuestion): Promise<DnsAnswer> {
  const answer = await askForMessage(question)
  return 'failed' in answer ? answer : { rcode: answer.rcode, addresses: addressesIn(answer) }
}

/** As {@link askDns}; gives all of the answer. */
export async function askForMessage(question: DnsQuestion): Promise<Message | NoAnswer> {
  const { name, type, server, port = 53, timeoutMs, namespace } = question
  const id = randomInt(0x1_0000)
  const packet = encodeMessage({
    ...reply(),
    id,
    opcode: 'QUERY',
    isResponse: false,
    recursionDesired: true,
    checkingDisabled: false,
    question: { name, type, class: 'IN' },
    // Room for the pods of a large headless Service (DNS flag day 2020).
    edns: { version: 0, udpSize: 1232, dnssecOk: false, options: [] },
  })
  const answer = await askByUdp({ address: server, port, packet, timeoutMs, namespace })
  if (typeof answer === 'string') return { failed: answer }
  const decoded = decodeMessage(answer)
  if (decoded.kind === 'malformed' || decoded.message.id !== id) return { failed: 'malformed' }
  return decoded.message
}

const addressesIn = ({ answers }: Message): readonly IpAddress[] =>
  answers.flatMap(record =>
    isRecordOf(record, 'A') || isRecordOf(record, 'AAAA') ? [record.data as IpAddress] : [],
  )
