import { randomInt } from 'node:crypto'
import type { Accept, Asking, Exchange } from './exchange.ts'
import type { Streams } from './streams.ts'

/** Made once: an abort without a reason makes an error with its stack. */
const CANCELLED = new Error('nobody waits for it any more')

/** One exchange over connections, under a random ID. */
export function exchangeByStream<T>(streams: Streams, asking: Asking<T>): Exchange {
  const { onAnswer, onFailure, timeoutMs } = asking
  const cancelling = new AbortController()
  const { signal } = cancelling
  const id = randomInt(0x10000)
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  streams.exchange(underId(asking.packet, id), acceptUnder(id, asking.accept), limit).then(
    answer => {
      if (!signal.aborted) onAnswer(answer)
    },
    (error: unknown) => {
      if (!signal.aborted) onFailure(error)
    },
  )
  return { cancel: () => cancelling.abort(CANCELLED) }
}

function underId(packet: Uint8Array, id: number): Uint8Array {
  const own = Buffer.from(packet)
  own.writeUInt16BE(id)
  return own
}

const acceptUnder =
  <T>(id: number, accept: Accept<T>): Accept<T> =>
  packet =>
    packet.length >= 2 && (((packet[0] as number) << 8) | (packet[1] as number)) === id
      ? accept(packet)
      : undefined
