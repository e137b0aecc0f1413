/** A packet that a worker has no answer for, and what is needed to answer it. */
export type Miss = {
  readonly packet: Uint8Array
  /** The client, as a struct sockaddr. */
  readonly name: Uint8Array
  /** Where it was sent to, as control messages. */
  readonly control: Uint8Array
}

/** Before each miss: the lengths of its name and its control messages (one octet each) and of its packet (two, little endian). */
const HEAD_OCTETS = 4

/** Packets in one piece of memory, which can be handed to another thread. */
export function packMisses(misses: readonly Miss[]): Uint8Array<ArrayBuffer> {
  const lengths = misses.map(miss => HEAD_OCTETS + partsOf(miss).reduce(addLength, 0))
  const packed = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  let at = 0
  for (const miss of misses) {
    const { packet, name, control } = miss
    packed.set([name.length, control.length, packet.length & 0xff, packet.length >> 8], at)
    at += HEAD_OCTETS
    for (const part of partsOf(miss)) {
      packed.set(part, at)
      at += part.length
    }
  }
  return packed
}

/** The packets of {@link packMisses}; they lie in its memory. */
export function* unpackMisses(packed: Uint8Array): Generator<Miss> {
  let at = 0
  const take = (length: number) => {
    at += length
    return packed.subarray(at - length, at)
  }
  while (at < packed.length) {
    const [nameLength = 0, controlLength = 0, low = 0, high = 0] = take(HEAD_OCTETS)
    const name = take(nameLength)
    const control = take(controlLength)
    yield { name, control, packet: take(low | (high << 8)) }
  }
}

const partsOf = ({ name, control, packet }: Miss) => [name, control, packet]
const addLength = (sum: number, part: Uint8Array) => sum + part.length
