import type { IpAddress } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'

/** Highest id: above it lies TC_H_ROOT, which nft writes as a word. 0 is its word `none`. */
export const MAX_ID = 0xffff_fffe

/** An id as nft writes a packet priority: two halves in hexadecimal, `0:1f`. */
export const formatId = (id: number): string =>
  `${(id >>> 16).toString(16)}:${(id & 0xffff).toString(16)}`

/** The id that a priority's text means, or undefined. */
export function parseId(text: string): number | undefined {
  const match = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text)
  if (match === null) return undefined
  const id =
    Number.parseInt(match[1] as string, 16) * 0x1_0000 + Number.parseInt(match[2] as string, 16)
  return id >= 1 && id <= MAX_ID ? id : undefined
}

/** Name of the chain that balances over `count` endpoints. */
export const balancerChain = (count: number): string => `lb-${count}`

/** Name of the chain that remembers a client's endpoint for so long. */
export const rememberChain = (seconds: number): string => `remember-${seconds}`

/** What the name of a chain made on demand says of it; undefined for any other chain. */
export function parseChain(
  name: string,
): { readonly kind: 'lb' | 'remember'; readonly number: number } | undefined {
  const match = /^(lb|remember)-([1-9][0-9]{0,9})$/.exec(name)
  return match === null
    ? undefined
    : { kind: match[1] as 'lb' | 'remember', number: Number(match[2]) }
}

export const REJECT_CHAIN = 'refuse'
export const DROP_CHAIN = 'ignore'
/** Sends a client back to the endpoint it had. */
export const STICKY_CHAIN = 'sticky'
/** Replaces the source of every connection. */
export const MASQUERADE_CHAIN = 'masquerade-all'
/** Replaces the source of this node's own connections. */
export const MASQUERADE_NODE_CHAIN = 'masquerade-node'

/** Fields of a concatenated key or value. */
export const concat = (...fields: readonly (string | number | undefined)[]): string =>
  fields.join(' . ')

/** A protocol as nft writes it. */
export const protocolName = (protocol: Protocol) => protocol.toLowerCase() as Lowercase<Protocol>

/** A place among the endpoints of an id. */
export const slotKey = (id: number, slot: number): string => concat(formatId(id), slot)

/** The id and the slot that a key means, or undefined. */
export function parseSlotKey(key: string): { id: number; slot: number } | undefined {
  const match = /^(\S+) \. ([0-9]{1,5})$/.exec(key)
  const id = match === null ? undefined : parseId(match[1] as string)
  return id === undefined ? undefined : { id, slot: Number(match?.[2]) }
}

/** The id in a key `id . client` of an affinity map, or undefined. */
export const parseClientKey = (key: string): number | undefined =>
  parseId(key.split(' ', 1)[0] ?? '')

/** A destination of connections. */
export const vipKey = (ip: IpAddress, protocol: Protocol, port: number): string =>
  concat(ip, protocolName(protocol), port)

/** A node port on whatever address. */
export const nodePortKey = (protocol: Protocol, port: number): string =>
  concat(protocolName(protocol), port)
