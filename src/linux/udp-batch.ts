import { familyOf, type IpAddress, ipToBytes } from '#net/ip.ts'
import { SystemCallError } from './libc.ts'
import { batchLibc } from './udp-batch-libc.ts'

/** Numbers of the kernel (bits/socket.h, asm-generic/socket.h, linux/in.h, linux/in6.h). */
const AF_INET = 2
const AF_INET6 = 10
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_REUSEPORT = 15
const SO_RCVTIMEO = 20
const SOL_IP = 0
const IP_PKTINFO = 8
const SOL_IPV6 = 41
const IPV6_V6ONLY = 26
const IPV6_RECVPKTINFO = 49
const SHUT_RD = 0
const EAFNOSUPPORT = 97
const EADDRNOTAVAIL = 99

/** Room for a burst, octets; the kernel grants what net.core.rmem_max allows. */
const RECEIVE_BUFFER_OCTETS = 1 << 20

/**
 * How long a thread waits in the kernel at most before it looks round, seconds. Waking by {@link BatchSocket.stopReceiving} does
 * not need it: it is for a process that ends in a way that nothing here hears of.
 */
const WAIT_SECONDS = 5

/**
 * A UDP socket that a thread can block on, made without Node. Other sockets may share its port with SO_REUSEPORT; the kernel
 * then gives each client to one of them. Wildcard sockets take both families and tell which address was asked.
 */
export class BatchSocket implements Disposable {
  readonly fd: number
  #isOpen = true

  private constructor(fd: number) {
    this.fd = fd
    if (openSockets.size === 0) process.on('exit', wakeAll)
    openSockets.add(this)
  }

  /**
   * @param address undefined: every address of the machine.
   * @throws {SystemCallError} @throws what koffi throws where it cannot be loaded.
   */
  static open(address: IpAddress | undefined, port: number): BatchSocket {
    if (address !== undefined) {
      const family = familyOf(address) === 6 ? AF_INET6 : AF_INET
      return BatchSocket.#open({ family, octets: ipToBytes(address), port, isWildcard: false })
    }
    try {
      return BatchSocket.#open({ family: AF_INET6, octets: noAddress, port, isWildcard: true })
    } catch (error) {
      if (!isWithoutIpv6(error)) throw error
      const octets = noAddress.subarray(0, 4)
      return BatchSocket.#open({ family: AF_INET, octets, port, isWildcard: true })
    }
  }

  static #open({ family, octets, port, isWildcard }: Bind): BatchSocket {
    const libc = batchLibc()
    const fd = checked('socket', libc.socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0))
    const socket = new BatchSocket(fd)
    try {
      setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1)
      setOption(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_OCTETS)
      // struct timeval: seconds and microseconds, 64 bits each.
      const wait = new Uint8Array(new BigInt64Array([BigInt(WAIT_SECONDS), 0n]).buffer)
      checked('setsockopt', libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, wait, wait.length))
      if (family === AF_INET6) setOption(fd, SOL_IPV6, IPV6_V6ONLY, isWildcard ? 0 : 1)
      if (isWildcard && family === AF_INET6) setOption(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1)
      if (isWildcard && family === AF_INET) setOption(fd, SOL_IP, IP_PKTINFO, 1)
      const name = socketAddress(family, octets, port)
      checked('bind', libc.bind(fd, name, name.length))
      return socket
    } catch (error) {
      socket[Symbol.dispose]()
      throw error
    }
  }

  /** Takes no more packets and wakes the thread that waits for some; what was taken can still be answered. */
  stopReceiving(): void {
    // On a socket without peer it fails with ENOTCONN, and wakes the waiting thread all the same.
    if (this.#isOpen) batchLibc().shutdown(this.fd, SHUT_RD)
  }

  /** Closes it. No thread may be using it any more: its number can be another file's at once. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    openSockets.delete(this)
    if (openSockets.size === 0) process.off('exit', wakeAll)
    batchLibc().close(this.fd)
  }
}

/** Those of this thread. A thread that is blocked on one would keep the process from ending. */
const openSockets = new Set<BatchSocket>()

function wakeAll(): void {
  for (const socket of openSockets) socket.stopReceiving()
}

type Bind = {
  readonly family: number
  readonly octets: Uint8Array
  readonly port: number
  readonly isWildcard: boolean
}

const noAddress = new Uint8Array(16)

const isWithoutIpv6 = (error: unknown): boolean =>
  error instanceof SystemCallError && [EAFNOSUPPORT, EADDRNOTAVAIL].includes(error.errno)

function checked(call: string, result: number): number {
  if (result === -1) throw new SystemCallError(call, batchLibc().errno())
  return result
}

function setOption(fd: number, level: number, name: number, value: number): void {
  const octets = new Uint8Array(Int32Array.of(value).buffer)
  checked('setsockopt', batchLibc().setsockopt(fd, level, name, octets, octets.length))
}

/** struct sockaddr_in or sockaddr_in6 (linux/in.h, linux/in6.h). */
function socketAddress(family: number, octets: Uint8Array, port: number): Uint8Array {
  const name = Buffer.alloc(family === AF_INET ? 16 : 28)
  name.writeUInt16LE(family, 0)
  name.writeUInt16BE(port, 2)
  name.set(octets, family === AF_INET ? 4 : 8)
  return name
}
