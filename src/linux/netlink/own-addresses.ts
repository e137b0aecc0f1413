import { closeSync } from 'node:fs'
import type { IpAddress } from '#net/ip.ts'
import { openNetlinkSocket, receiveNow, sendNow } from '../libc.ts'
import { addressFamily, addressMessage, decodeAddress, RTM_GETADDR } from './address.ts'
import { isNotFound, MAX_DUMP_ATTEMPTS, NetlinkError, neverStill } from './error.ts'
import { decodeLink, encodeLinkQuery, RTM_GETLINK } from './link-message.ts'
import { decodeMessages, encodeMessage, Flag, type Message, outcomeOf } from './message.ts'
import { NETLINK_ROUTE } from './raw-socket.ts'

/** The kernel puts no more parts of a list than this into one datagram (netlink_recvmsg). */
const RECEIVE_BYTES = 32_768

/**
 * The addresses of all links in the calling thread's network namespace, each once. Those of links that are down or without
 * carrier (an unplugged cable) are among them: the kernel answers on them, but `os.networkInterfaces()` leaves them out.
 * Synchronous: the kernel has the answer when it has been asked, 2 ms for 500 links.
 * @param exceptLink the name of a link that does not count
 * @throws {NetlinkError | SystemCallError}
 */
export function ownAddresses(exceptLink: string): readonly IpAddress[] {
  const fd = openNetlinkSocket(NETLINK_ROUTE)
  try {
    const except = linkIndexOf(fd, exceptLink)
    const counted = listAddresses(fd).filter(({ linkIndex }) => linkIndex !== except)
    return [...new Set(counted.map(({ prefix }) => prefix.address))]
  } finally {
    closeSync(fd)
  }
}

function linkIndexOf(fd: number, name: string): number | undefined {
  try {
    const query = { type: RTM_GETLINK, flags: Flag.ack, payload: encodeLinkQuery({ name }) }
    const [message] = exchange(fd, { operation: `get link ${name}`, ...query }).parts
    return message === undefined ? undefined : decodeLink(message.payload).index
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

function listAddresses(fd: number) {
  const operation = 'list own addresses'
  const payload = addressMessage({ linkIndex: 0 }, [])
  for (let attempt = 0; attempt < MAX_DUMP_ATTEMPTS; attempt++) {
    const list = exchange(fd, { operation, type: RTM_GETADDR, flags: Flag.dump, payload })
    if (list.isInterrupted) continue
    return list.parts
      .map(({ payload }) => payload)
      .filter(isIp)
      .map(decodeAddress)
  }
  throw neverStill(operation)
}

/** Links may have addresses of other kinds (MCTP, Phonet): ifaddrmsg begins with the family. */
const isIp = (payload: Buffer): boolean =>
  payload[0] === addressFamily(4) || payload[0] === addressFamily(6)

type Request = Pick<Message, 'type' | 'flags' | 'payload'> & { readonly operation: string }

/** Asks, and reads the answer to its end. */
function exchange(fd: number, { operation, ...request }: Request) {
  sendNow(fd, encodeMessage({ ...request, flags: request.flags | Flag.request, sequence: 0 }))
  const parts: Message[] = []
  let isInterrupted = false
  for (;;) {
    const bytes = Buffer.alloc(RECEIVE_BYTES)
    for (const message of decodeMessages(bytes.subarray(0, receiveNow(fd, bytes)))) {
      isInterrupted ||= (message.flags & Flag.dumpInterrupted) !== 0
      const outcome = outcomeOf(message)
      if (outcome === undefined) parts.push(message)
      else if (outcome.errno === 0) return { parts, isInterrupted }
      else throw new NetlinkError(operation, outcome.errno, outcome.sentence)
    }
  }
}
