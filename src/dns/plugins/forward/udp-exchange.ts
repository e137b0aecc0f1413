import { createSocket } from 'node:dgram'
import { familyOf } from '#net/ip.ts'
import type { UpstreamAddress } from './targets.ts'

/** What a packet of a server says, or undefined to keep waiting for another one. */
export type Accept<T> = (packet: Uint8Array) => T | undefined

/**
 * Sends one datagram and waits for the answer that `accept` takes. Each exchange has a socket of its own: the kernel picks
 * its port at random, and being connected it gets packets of the server's address alone.
 * Rejects with the socket's error, with what `accept` throws, or with the signal's reason.
 */
export function exchangeUdp<T>(
  {
    address,
    port,
    sourceAddress,
  }: UpstreamAddress & { readonly sourceAddress?: string | undefined },
  packet: Uint8Array,
  accept: Accept<T>,
  signal: AbortSignal,
): Promise<T> {
  const socket = createSocket(familyOf(address) === 4 ? 'udp4' : 'udp6')
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const onAbort = () => reject(signal.reason)
  socket.on('error', reject)
  socket.on('message', message => {
    try {
      const answer = accept(message)
      if (answer !== undefined) resolve(answer)
    } catch (error) {
      reject(error)
    }
  })
  if (sourceAddress !== undefined) socket.bind({ address: sourceAddress, port: 0 })
  socket.connect(port, address, () => socket.send(packet))
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  return promise.finally(() => {
    signal.removeEventListener('abort', onAbort)
    socket.close()
  })
}
