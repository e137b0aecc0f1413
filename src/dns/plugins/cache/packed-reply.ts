import { type Question, type Reply, reply, sectionsOf } from '../../message.ts'
import { decodeMessage } from '../../wire/decode.ts'
import { encodeMessage } from '../../wire/encode.ts'
import { FLAG } from '../../wire/header.ts'
import { WireError } from '../../wire/wire-error.ts'

/**
 * A reply and its question as a compressed message, one character for each octet: a string of them costs V8 its octets and 16
 * more, where a Uint8Array costs about 200 more and records as objects ten times as much.
 *
 * undefined: the reply has no octets, or too many for one message. Its EDNS options are left out: they belong to one exchange.
 */
export function packReply(question: Question, given: Reply): string | undefined {
  const message = {
    ...given,
    id: 0,
    opcode: 'QUERY',
    isResponse: true,
    recursionDesired: given.recursionDesired ?? false,
    // A reply has no CD bit of its own: it tells whether the RD bit means anything.
    checkingDisabled: given.recursionDesired !== undefined,
    question,
    edns: undefined,
  }
  try {
    const octets = encodeMessage(message, { compressAboveOctets: 0 })
    const isCut = (((octets[2] as number) << 8) & FLAG.TC) !== 0
    return isCut ? undefined : Buffer.from(octets).toString('latin1')
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}

/** What {@link packReply} packed, with the name as it was asked for. */
export function unpackReply(packed: string): { readonly name: string; readonly reply: Reply } {
  const decoded = decodeMessage(Buffer.from(packed, 'latin1'))
  if (decoded.kind === 'malformed') throw new TypeError(`cache: ${decoded.reason}`)
  const { question, recursionDesired, checkingDisabled } = decoded.message
  return {
    name: question?.name ?? '.',
    reply: reply({
      ...sectionsOf(decoded.message),
      ...(checkingDisabled ? { recursionDesired } : {}),
    }),
  }
}
