import type { Socket } from 'node:net'
import { type IpAddress, parseIp } from '#net/ip.ts'
import type { PacketOrigin } from './listener.ts'

/** The two ends of a connection; undefined: it is gone. */
export function originOf(socket: Socket): PacketOrigin | undefined {
  const client = addressFrom(socket.remoteAddress)
  const server = addressFrom(socket.localAddress)
  if (client === undefined || server === undefined) return undefined
  return {
    transport: 'tcp',
    client: { address: client, port: socket.remotePort ?? 0 },
    server: { address: server, port: socket.localPort ?? 0 },
  }
}

/** Without the interface that a link-local address came by (`fe80::1%eth0`). */
const addressFrom = (text = ''): IpAddress | undefined => parseIp(text.replace(/%.*$/, ''))
