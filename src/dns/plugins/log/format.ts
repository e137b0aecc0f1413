import { familyOf, type IpAddress } from '#net/ip.ts'
import type { Query, Reply } from '../../message.ts'
import type { Exchange } from '../../plugin.ts'
import { opcodes } from '../../wire/mnemonics.ts'
import { classOfReply, typeOfReply } from './classify.ts'

/** CoreDNS's formats. */
export const COMMON_FORMAT =
  '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}'
const COMBINED_FORMAT = `${COMMON_FORMAT} "{>opcode}"`

/** Stands for what is unknown or empty. */
const NOTHING = '-'

const fields: Readonly<Record<string, (exchange: Exchange) => string>> = {
  type: ({ query }) => query.question.type,
  name: ({ query }) => query.question.name.toLowerCase(),
  class: ({ query }) => query.question.class,
  proto: ({ query }) => query.transport,
  remote: ({ query }) => host(query.client.address),
  port: ({ query }) => String(query.client.port),
  local: ({ query }) => host(query.server.address),
  size: ({ requestOctets }) => String(requestOctets),
  duration: ({ durationSeconds }) => `${durationSeconds.toFixed(9)}s`,
  rcode: ({ reply, rcode }) => (reply === undefined ? '' : rcode),
  rsize: ({ replyOctets }) => String(replyOctets),
  '>rflags': ({ query, reply }) => (reply === undefined ? '' : flags(query, reply)),
  '>bufsize': ({ query }) => String(bufferSize(query)),
  '>do': ({ query }) => String(query.edns?.dnssecOk ?? false),
  '>id': ({ query }) => String(query.id),
  '>opcode': ({ query }) => String(opcodes.toNumber(query.opcode)),
  '/log/class': ({ reply }) => (reply === undefined ? '' : classOfReply(reply)),
  '/log/type': ({ reply }) => (reply === undefined ? '' : typeOfReply(reply)),
}

/** A function that writes the line of an exchange in a format. Placeholders that are not known are written as `-`. */
export function compileFormat(format: string): (exchange: Exchange) => string {
  const full = format
    .replaceAll('{common}', COMMON_FORMAT)
    .replaceAll('{combined}', COMBINED_FORMAT)
  const parts = full.split(/\{([^{}]*)\}/).map((text, index) => {
    if (index % 2 === 0) return () => text
    const field = Object.hasOwn(fields, text) ? fields[text] : labelField(text)
    return (exchange: Exchange) => field?.(exchange) || NOTHING
  })
  return exchange => parts.map(part => part(exchange)).join('')
}

/** `/plugin/label`: what `metadata` collected. */
const labelField =
  (text: string) =>
  ({ query }: Exchange): string =>
    text.startsWith('/') ? (query.trace?.metadata?.get(text.slice(1))?.() ?? '') : ''

const host = (address: IpAddress): string => (familyOf(address) === 6 ? `[${address}]` : address)

/** What the client can take: 512 octets over UDP when it does not say more. */
const bufferSize = ({ transport, edns }: Query): number =>
  transport === 'tcp' ? 65_535 : Math.max(512, edns?.udpSize ?? 0)

function flags(query: Query, reply: Reply): string {
  const all: readonly [string, boolean][] = [
    ['qr', true],
    ['aa', reply.authoritative],
    ['tc', reply.truncated],
    ['rd', query.recursionDesired],
    ['ra', reply.recursionAvailable],
    ['ad', reply.authenticData],
    ['cd', query.checkingDisabled],
  ]
  return all
    .filter(([, isSet]) => isSet)
    .map(([name]) => name)
    .join(',')
}
