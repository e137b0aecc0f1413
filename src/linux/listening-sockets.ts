import { readFileSync } from 'node:fs'
import { type IpAddress, ipFromBytes } from '#net/ip.ts'
import { errnoCode } from '#runtime/error.ts'

/** A socket that takes connections, or datagrams of anybody. */
export type ListeningSocket = { readonly address: IpAddress; readonly port: number }

/** Column `st`: TCP_LISTEN, and for UDP TCP_CLOSE, which is not connected (proc_net_tcp). */
const STATE = { tcp: '0A', udp: '07' } as const

/**
 * The listening sockets of the calling thread's network namespace, both families. Synchronous, for
 * {@link NetworkNamespace.run}.
 */
export const listeningSockets = (protocol: 'tcp' | 'udp'): readonly ListeningSocket[] =>
  [protocol, `${protocol}6`].flatMap(file =>
    parseSockets(readTable(`/proc/thread-self/net/${file}`), STATE[protocol]),
  )

/** A kernel without IPv6 has no table of it. */
function readTable(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return ''
    throw error
  }
}

/** The sockets in a state, of a table as /proc/net/tcp has it. */
export function parseSockets(table: string, state: string): readonly ListeningSocket[] {
  return table.split('\n').flatMap(line => {
    const [, local = '', , found] = line.trim().split(/\s+/)
    const [, words, port] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local) ?? []
    if (found !== state || words === undefined || port === undefined) return []
    return [{ address: addressOf(words), port: Number.parseInt(port, 16) }]
  })
}

/** Addresses stand as words of 32 bits in host order, which is little endian. */
function addressOf(words: string): IpAddress {
  const bytes = Buffer.from(words, 'hex')
  for (let offset = 0; offset < bytes.length; offset += 4)
    bytes.subarray(offset, offset + 4).reverse()
  return ipFromBytes(bytes)
}
