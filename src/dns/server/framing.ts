/** Octets of the length before each message on a stream (RFC 1035 section 4.2.2). */
const PREFIX_OCTETS = 2

/** Cuts the messages off the front of what a stream brought; `rest` is the begun one, less than 64 KiB. */
export function splitMessages(stream: Buffer): {
  readonly messages: readonly Uint8Array[]
  readonly rest: Buffer
} {
  const messages: Uint8Array[] = []
  let start = 0
  while (stream.length - start >= PREFIX_OCTETS) {
    const end = start + PREFIX_OCTETS + stream.readUInt16BE(start)
    if (stream.length < end) break
    messages.push(stream.subarray(start + PREFIX_OCTETS, end))
    start = end
  }
  return { messages, rest: stream.subarray(start) }
}

/** The message with its length before it. */
export function frame(message: Uint8Array): Uint8Array {
  const framed = Buffer.allocUnsafe(PREFIX_OCTETS + message.length)
  framed.writeUInt16BE(message.length, 0)
  framed.set(message, PREFIX_OCTETS)
  return framed
}
