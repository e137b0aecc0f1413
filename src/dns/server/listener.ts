import type { IpAddress } from '#net/ip.ts'
import { errnoCode } from '#runtime/error.ts'
import type { Answered } from '../fast/fast-path.ts'
import type { Transport } from '../message.ts'
import type { TlsSettings } from '../plugins/tls/plugin.ts'

export type Endpoint = { readonly address: IpAddress; readonly port: number }

/** Where a packet came from and where it came to. */
export type PacketOrigin = {
  readonly transport: Transport
  readonly client: Endpoint
  /** The address that was asked; on a wildcard socket that cannot tell, the unspecified address. */
  readonly server: Endpoint
  /** Sends an answer that is not the last one to this packet; absent where an answer is one packet. Rejects when the client is gone. */
  readonly send?: (packet: Uint8Array) => Promise<void>
  /** Told of a packet that is no query to answer, in place of an answer to it; absent where such an answer is sent. */
  readonly onRefused?: () => void
  /** Told of an answer that the chain gave and that may be given again, before it is sent. */
  readonly onAnswered?: ((answered: Answered) => void) | undefined
}

/** Answers one packet; undefined sends nothing. It never rejects. The packet may be reused once this has resolved. */
export type PacketHandler = (
  packet: Uint8Array,
  origin: PacketOrigin,
) => Promise<Uint8Array | undefined>

/**
 * Takes packets of one transport on one address and hands them to the handler it was started with. There is one of them for each
 * protocol.
 */
export interface Listener extends AsyncDisposable {
  /** Takes no more queries; answers to those it took are still sent, until it is disposed. */
  stopTaking(): void
}

/** How long a connection may take, milliseconds, how many queries it may bring, and how many there may be. */
export type StreamLimits = {
  /** For the first query. */
  readonly readMs: number
  /** For each further query. */
  readonly idleMs: number
  readonly writeMs: number
  readonly maxQueries: number
  /** At one time; that of the protocol when it is not given. */
  readonly maxConnections?: number
  /** Of one connection at one time, over HTTP/2; that of the server when it is not given. */
  readonly maxStreams?: number
}

/** What every listener is started with. */
export type ListenerOptions = {
  /** undefined: every address of the machine. */
  readonly address: IpAddress | undefined
  readonly port: number
  readonly handle: PacketHandler
  /** How many sockets shall share the queries; a listener may have fewer. Its own number when it is not given. */
  readonly sockets?: number | undefined
  /** Asked for each connection, so that a reload changes it. */
  readonly limits?: () => Partial<StreamLimits>
  /** What connections are encrypted with; asked for each one. */
  readonly tls?: () => TlsSettings | undefined
  /** Told of the status of each answer over HTTPS. */
  readonly onHttpStatus?: (status: number) => void
}

/** One socket a family: a dual-stack socket would give IPv4 clients mapped addresses. */
export const wildcards: readonly IpAddress[] = ['0.0.0.0' as IpAddress, '::' as IpAddress]

/** Did a wildcard bind fail because the machine has no IPv6? */
export const isWithoutIpv6 = (address: string, error: unknown): boolean =>
  address === '::' && ['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(errnoCode(error) ?? '')
