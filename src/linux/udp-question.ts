import { createSocket, type Socket } from 'node:dgram'
import { familyOf, type IpAddress } from '#net/ip.ts'
import type { NetworkNamespace } from './namespace.ts'

export type UdpQuestion = {
  readonly address: IpAddress
  readonly port: number
  readonly packet: Uint8Array
  readonly timeoutMs: number
  /** Where it is sent from; the caller's own when not given. */
  readonly namespace?: NetworkNamespace | undefined
}

/** What came back first, or why nothing did: nobody said anything, or somebody that nobody is there. */
export type UdpAnswer = Uint8Array | 'silent' | 'refused' | 'unreachable'

/** Sends a datagram and waits for one from where it went to. Never rejects. */
export async function askByUdp(question: UdpQuestion): Promise<UdpAnswer> {
  const { address, port, packet, timeoutMs, namespace } = question
  const open = () => bound(familyOf(address))
  let socket: Socket
  try {
    socket = namespace === undefined ? open() : namespace.run(open)
  } catch {
    return 'unreachable'
  }
  const { promise, resolve } = Promise.withResolvers<UdpAnswer>()
  const timer = setTimeout(() => resolve('silent'), timeoutMs)
  socket.on('message', resolve)
  socket.on('error', error => resolve(errorAnswer(error)))
  socket.connect(port, address, () => socket.send(packet))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    socket.close()
  }
}

/**
 * A socket with a port. It belongs to the thread's namespace of this moment, since looking an address up, which Node does
 * before it binds, is done at once here.
 */
function bound(family: 4 | 6): Socket {
  const any = family === 4 ? '0.0.0.0' : '::'
  const socket = createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    lookup: (host, _options, done) => done(null, host === '' ? any : host, family),
  })
  socket.bind({ port: 0, address: any, exclusive: true })
  return socket
}

function errorAnswer(error: Error): UdpAnswer {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ECONNREFUSED' ? 'refused' : 'unreachable'
}
