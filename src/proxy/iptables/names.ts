import { hash } from 'node:crypto'
import { formatHostPort } from '#net/ip.ts'
import type { ProxyEndpoint } from '../endpoint.ts'
import { displayName, type ServicePort } from '../service-port.ts'

/** The kinds of chain that exist per service port (the last: per endpoint of one). */
export type PortChainKind = 'SVC' | 'SVL' | 'EXT' | 'FW' | 'SEP'

/** A chain that exists for a service port, of ours or of kube-proxy, in whatever state it is. */
export const isPortChain = (name: string): boolean => /^KUBE-(SVC|SVL|EXT|FW|SEP)-/.test(name)

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const HASH_LENGTH = 16

/**
 * The name of a chain of a service port: `KUBE-SVC-` and so on, then 16 characters that say which. They are kube-proxy's,
 * so that what it left is known again: chains, and lists of clients (`recent`), which bear the names of chains.
 */
export function portChain(
  kind: PortChainKind,
  port: Pick<ServicePort, 'service' | 'portName' | 'protocol'>,
  endpoint?: Pick<ProxyEndpoint, 'address' | 'port'>,
): string {
  const where = endpoint === undefined ? '' : formatHostPort(endpoint.address, endpoint.port)
  return `KUBE-${kind}-${digest(displayName(port) + port.protocol.toLowerCase() + where)}`
}

/** The first characters of the base32 form (RFC 4648) of the text's SHA-256. */
function digest(text: string): string {
  let bits = BigInt(`0x${hash('sha256', text, 'hex').slice(0, (HASH_LENGTH * 5) / 4)}`)
  let name = ''
  for (let index = 0; index < HASH_LENGTH; index++) {
    name = BASE32[Number(bits & 31n)] + name
    bits >>= 5n
  }
  return name
}
