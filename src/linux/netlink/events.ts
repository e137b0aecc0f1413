import { forceReceiveBuffer } from '../libc.ts'
import { watchDrops } from './drops.ts'
import { decodeMessages, type Message } from './message.ts'
import { NETLINK_NETFILTER, NETLINK_ROUTE, openRawSocket } from './raw-socket.ts'

/** RTNLGRP_… (linux/rtnetlink.h): what changes of links, addresses, routes and neighbours are announced to. */
export const RouteGroup = {
  link: 1,
  neighbour: 3,
  address4: 5,
  route4: 7,
  address6: 9,
  route6: 11,
} as const

/** linux/netfilter/nfnetlink.h */
const NFNLGRP_NFTABLES = 7

/** Bytes of events that may wait; the kernel takes the memory only while they do. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024

type Watcher = {
  readonly protocol: number
  readonly groups: readonly number[]
  readonly onDatagram: (bytes: Buffer) => void
  readonly onLoss: () => void
}

/**
 * Tells of changes of links, addresses, routes and neighbours in the calling thread's network namespace, whoever makes
 * them, until it is disposed.
 * @param onLoss events were lost: anything may have changed.
 */
export function watchRouting(
  groups: readonly number[],
  onMessage: (message: Message) => void,
  onLoss: () => void,
): Disposable {
  return watch({
    protocol: NETLINK_ROUTE,
    groups,
    onDatagram: bytes => decodeMessages(bytes).forEach(onMessage),
    onLoss,
  })
}

/**
 * Tells of changes of one nftables table, whoever makes them. The datagrams are only searched for the name: other tables
 * may change thousands of elements at a time.
 */
export function watchNftTable(name: string, onChange: () => void): Disposable {
  const pattern = Buffer.from(`${name}\0`)
  return watch({
    protocol: NETLINK_NETFILTER,
    groups: [NFNLGRP_NFTABLES],
    onDatagram: bytes => {
      if (bytes.includes(pattern)) onChange()
    },
    onLoss: onChange,
  })
}

function watch({ protocol, groups, onDatagram, onLoss }: Watcher): Disposable {
  const { socket, fd, close } = openRawSocket(protocol)
  forceReceiveBuffer(fd, RECEIVE_BUFFER_BYTES)
  socket.on('message', (bytes, { port }) => {
    // Another process may send to our port; only the kernel has port 0.
    if (port !== 0) return
    try {
      onDatagram(bytes)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      onLoss()
    }
  })
  socket.on('error', onLoss)
  const drops = watchDrops(fd, onLoss)
  for (const group of groups) socket.addMembership(group)
  socket.unref()
  return {
    [Symbol.dispose]() {
      drops[Symbol.dispose]()
      close()
    },
  }
}
