import { close, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { RawNetlinkSocket } from 'netlink/dist/raw.js'
import { duplicate, netlinkPort, setSocketOption } from '../libc.ts'

/** A socket of the package `netlink`, and its descriptor, which the package keeps to itself. */
export type OpenedSocket = {
  readonly socket: RawNetlinkSocket
  readonly fd: number
  /** To be called in place of the package's own; the kernel may take its time afterwards. */
  readonly close: () => void
}

/** Links, addresses, routes (linux/netlink.h). */
export const NETLINK_ROUTE = 0
/** Nftables, connections, ipsets. */
export const NETLINK_NETFILTER = 12

const SOL_NETLINK = 270
const NETLINK_NO_ENOBUFS = 5

/**
 * Opens a netlink socket of a protocol (NETLINK_…) in the calling thread's network namespace. That messages were lost is told
 * by `watchDrops` alone.
 */
export function openRawSocket(protocol: number): OpenedSocket {
  const before = new Set(readdirSync('/proc/self/fd'))
  const socket = new (loadRawSocket())(protocol)
  try {
    const fd = findDescriptor(before, socket.address().port)
    setSocketOption(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, 1)
    const close = () => {
      if (protocol === NETLINK_NETFILTER) closeFromPool(socket, fd)
      else socket.close()
    }
    return { socket, fd, close }
  } catch (error) {
    socket.close()
    throw error
  }
}

/**
 * Closes a netfilter socket from a thread of the pool: the kernel has whoever closes one wait until it has freed what nftables
 * transactions of the network namespace took out, 20 to 30 ms (nft_rcv_nl_event).
 */
function closeFromPool(socket: RawNetlinkSocket, fd: number): void {
  const last = duplicate(fd)
  socket.close()
  close(last, () => {})
}

/** Only this module of the package is loaded (4 ms instead of 19), and only when a socket is opened. */
function loadRawSocket(): typeof RawNetlinkSocket {
  const raw = createRequire(import.meta.url)('netlink/dist/raw.js') as {
    RawNetlinkSocket: typeof RawNetlinkSocket
  }
  return raw.RawNetlinkSocket
}

/** The descriptor of the socket is the new one that is bound to its port. */
function findDescriptor(before: ReadonlySet<string>, port: number): number {
  for (const name of readdirSync('/proc/self/fd')) {
    if (!before.has(name) && netlinkPort(Number(name)) === port) return Number(name)
  }
  // The directory's own descriptor in the first listing may have had the number that the socket has now.
  for (const name of before) {
    if (netlinkPort(Number(name)) === port) return Number(name)
  }
  throw new Error(`no descriptor of this process is the netlink socket with port ${port}`)
}
