import { droppedPackets } from '../libc.ts'

/** How often it is looked, for all sockets at once. */
const LOOK_MS = 250

type Watched = { readonly fd: number; readonly onDrop: () => void; dropped: number }

const watched = new Set<Watched>()
let timer: NodeJS.Timeout | undefined

/**
 * Calls `onDrop` soon after the kernel had to drop messages for a netlink socket because nobody read them, until it is
 * disposed, which has to be before the socket is closed. The socket itself must not tell (NETLINK_NO_ENOBUFS, netlink(7)): of an error
 * that it has libuv makes EBADF, and the package `netlink` ends the process.
 * @throws {SystemCallError} the descriptor is no socket.
 */
export function watchDrops(fd: number, onDrop: () => void): Disposable {
  const entry: Watched = { fd, onDrop, dropped: droppedPackets(fd) }
  watched.add(entry)
  timer ??= setInterval(look, LOOK_MS).unref()
  return {
    [Symbol.dispose]() {
      watched.delete(entry)
      if (watched.size > 0) return
      clearInterval(timer)
      timer = undefined
    },
  }
}

function look(): void {
  for (const entry of watched) {
    const dropped = droppedPackets(entry.fd)
    if (dropped === entry.dropped) continue
    entry.dropped = dropped
    entry.onDrop()
  }
}
