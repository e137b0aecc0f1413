import { closeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { getSystemErrorName } from 'node:util'
import type * as Koffi from 'koffi'
import { NodeplaneError } from '#runtime/error.ts'

/** A system call that Node does not offer was refused. */
export class SystemCallError extends NodeplaneError {
  readonly code = 'ERR_SYSTEM_CALL'
  /** The call's name, for example `setns`. */
  readonly call: string
  /** Positive errno. */
  readonly errno: number
  constructor(call: string, errno: number, options?: ErrorOptions) {
    super(`${call}: ${errnoName(errno)}`, options)
    this.call = call
    this.errno = errno
  }
}

/** `EEXIST` for 17; the number itself where it has no name. */
export function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno)
  } catch {
    return `errno ${errno}`
  }
}

type Libc = {
  socket(domain: number, type: number, protocol: number): number
  setns(fd: number, type: number): number
  fcntl(fd: number, command: number, argument: number): number
  ioctl(fd: number, request: number): number
  flock(fd: number, operation: number): number
  setsockopt(fd: number, level: number, name: number, value: Int32Array, length: number): number
  getsockopt(
    fd: number,
    level: number,
    name: number,
    value: Int32Array,
    length: Uint32Array,
  ): number
  getsockname(fd: number, address: Uint8Array, length: Uint32Array): number
  recv(fd: number, data: Uint8Array, size: number, flags: number): number
  send: {
    (fd: number, data: Uint8Array, size: number, flags: number): number
    async(
      fd: number,
      data: Uint8Array,
      size: number,
      flags: number,
      done: (error: Error | null, sent: number) => void,
    ): void
  }
  errno(): number
}

let libc: Libc | undefined

/** koffi takes 8 ms to load, so only what enters namespaces or opens netlink sockets pays for it. */
function loadLibc(): Libc {
  if (libc !== undefined) return libc
  // `require`: loading has to be late, and synchronous.
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi
  const library = koffi.load('libc.so.6')
  libc = {
    socket: library.func('int socket(int domain, int type, int protocol)'),
    setns: library.func('int setns(int fd, int type)'),
    flock: library.func('int flock(int fd, int operation)'),
    fcntl: library.func('int fcntl(int fd, int command, int argument)'),
    ioctl: library.func('int ioctl(int fd, unsigned long request)'),
    setsockopt: library.func(
      'int setsockopt(int fd, int level, int name, const int *value, uint32_t length)',
    ),
    getsockopt: library.func(
      'int getsockopt(int fd, int level, int name, int *value, uint32_t *length)',
    ),
    getsockname: library.func('int getsockname(int fd, uint8_t *address, uint32_t *length)'),
    send: library.func('intptr_t send(int fd, const uint8_t *data, size_t size, int flags)'),
    recv: library.func('intptr_t recv(int fd, uint8_t *data, size_t size, int flags)'),
    errno: () => koffi.errno(),
  } as unknown as Libc
  return libc
}

function checked(call: string, result: number): number {
  if (result === -1) throw new SystemCallError(call, loadLibc().errno())
  return result
}

/** fcntl(2): F_DUPFD_CLOEXEC (linux/fcntl.h). */
const F_DUPFD_CLOEXEC = 1030

/** Another descriptor of the same open file. @throws {SystemCallError} */
export const duplicate = (fd: number): number =>
  checked('fcntl', loadLibc().fcntl(fd, F_DUPFD_CLOEXEC, 0))

/** Namespace type of network namespaces (clone(2)). */
export const CLONE_NEWNET = 0x40000000

/** Moves the calling thread into the namespace of an open descriptor. @throws {SystemCallError} */
export function setns(fd: number, type: number): void {
  checked('setns', loadLibc().setns(fd, type))
}

/** flock(2) operations (sys/file.h). */
const LOCK_EX = 2
const LOCK_NB = 4
/** Linux errnos (asm-generic/errno-base.h). */
const EINTR = 4
const EAGAIN = 11

/**
 * Takes the exclusive flock(2) lock of an open file, unless somebody else holds it: then false.
 * The lock ends when the last descriptor of the open file is closed. @throws {SystemCallError}
 */
export function tryFlock(fd: number): boolean {
  for (;;) {
    if (loadLibc().flock(fd, LOCK_EX | LOCK_NB) === 0) return true
    const errno = loadLibc().errno()
    if (errno === EAGAIN) return false
    if (errno !== EINTR) throw new SystemCallError('flock', errno)
  }
}

/** NS_GET_NSTYPE: `_IO(0xb7, 3)` (linux/nsfs.h). */
const NS_GET_NSTYPE = 0xb703

/** The CLONE_NEW… number of an open namespace. @throws {SystemCallError} the descriptor is none. */
export function namespaceType(fd: number): number {
  return checked('ioctl NS_GET_NSTYPE', loadLibc().ioctl(fd, NS_GET_NSTYPE))
}

/** SOCK_RAW and SOCK_CLOEXEC (linux/net.h), IPPROTO_RAW (linux/in.h). */
const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2000000
const IPPROTO_RAW = 255

/**
 * Opens a raw socket, in the calling thread's network namespace, through which the kernel's firewall is asked.
 * @param domain AF_INET or AF_INET6
 * @throws {SystemCallError}
 */
export const openFirewallSocket = (domain: number): number =>
  checked('socket', loadLibc().socket(domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW))

/** Reads a structured socket option; `value` goes in as the question and comes back as the answer. @throws {SystemCallError} */
export function readSocketOption(fd: number, level: number, name: number, value: Int32Array): void {
  const length = Uint32Array.of(value.byteLength)
  checked('getsockopt', loadLibc().getsockopt(fd, level, name, value, length))
}

/** Sets an integer socket option. @throws {SystemCallError} */
export function setSocketOption(fd: number, level: number, name: number, value: number): void {
  checked('setsockopt', loadLibc().setsockopt(fd, level, name, Int32Array.of(value), 4))
}

/** Options of all sockets (asm-generic/socket.h). */
const SOL_SOCKET = 1
const SO_ATTACH_FILTER = 26
const SO_RCVBUFFORCE = 33
const SO_PROTOCOL = 38

/** Sets the size of a receive buffer, also above net.core.rmem_max. @throws {SystemCallError} */
export const forceReceiveBuffer = (fd: number, bytes: number): void =>
  setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes)

const SO_MEMINFO = 55
/** SK_MEMINFO_VARS, and SK_MEMINFO_DROPS among them (linux/sock_diag.h). */
const MEMINFO_NUMBERS = 9
const MEMINFO_DROPS = 8

/** How many packets a socket had no room for, ever. @throws {SystemCallError} */
export function droppedPackets(fd: number): number {
  const numbers = new Int32Array(MEMINFO_NUMBERS)
  readSocketOption(fd, SOL_SOCKET, SO_MEMINFO, numbers)
  return numbers[MEMINFO_DROPS] as number
}

/** Makes the kernel drop what a classic BPF program says, in place of any former one. @throws {SystemCallError} */
export function attachFilter(fd: number, program: Uint8Array): void {
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi
  // struct sock_fprog: number of instructions u16, padding, pointer (linux/filter.h). The kernel copies the program.
  const filter = Buffer.alloc(16)
  filter.writeUInt16LE(program.length / 8, 0)
  filter.writeBigUInt64LE(BigInt(koffi.address(program)), 8)
  const value = new Int32Array(filter.buffer, filter.byteOffset, 4)
  checked('setsockopt', loadLibc().setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, value, 16))
}

/** The protocol of a socket (NETLINK_… of a netlink one); undefined when the descriptor is no socket. */
export function socketProtocol(fd: number): number | undefined {
  const value = new Int32Array(1)
  const result = loadLibc().getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, value, Uint32Array.of(4))
  return result === 0 ? value[0] : undefined
}

const AF_UNIX = 1
const SOCK_DGRAM = 2
/** A number of the socket's network namespace that no other has until the machine starts anew (Linux 5.14). */
const SO_NETNS_COOKIE = 71

/** The cookie of the calling thread's network namespace; undefined when the kernel gives none. @throws {SystemCallError} */
export function namespaceCookie(): bigint | undefined {
  const fd = checked('socket', loadLibc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
  try {
    const value = new BigUint64Array(1)
    const words = new Int32Array(value.buffer)
    const result = loadLibc().getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, words, Uint32Array.of(8))
    return result === 0 ? value[0] : undefined
  } finally {
    closeSync(fd)
  }
}

/** AF_NETLINK (linux/socket.h). */
const AF_NETLINK = 16

/** The port id that a netlink socket is bound to; undefined when the descriptor is something else. */
export function netlinkPort(fd: number): number | undefined {
  // struct sockaddr_nl: family u16, padding u16, port id u32, groups u32 (linux/netlink.h).
  const address = Buffer.alloc(12)
  const result = loadLibc().getsockname(fd, address, Uint32Array.of(address.length))
  if (result !== 0 || address.readUInt16LE(0) !== AF_NETLINK) return undefined
  return address.readUInt32LE(4)
}

/** Opens a netlink socket of a protocol (NETLINK_…) in the calling thread's network namespace. @throws {SystemCallError} */
export const openNetlinkSocket = (protocol: number): number =>
  checked('socket', loadLibc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol))

const MSG_DONTWAIT = 0x40

/** Sends on a kernel-bound socket, and is back when the kernel has done what was asked. @throws {SystemCallError} */
export const sendNow = (fd: number, data: Uint8Array): void =>
  void checked('send', loadLibc().send(fd, data, data.length, 0))

/** Receives one datagram, and gives its bytes; never waits for one. @throws {SystemCallError} */
export const receiveNow = (fd: number, into: Uint8Array): number =>
  checked('recv', loadLibc().recv(fd, into, into.length, MSG_DONTWAIT))

/**
 * Sends on a connected or kernel-bound socket from a thread of the pool, so that a call which the kernel
 * answers late does not stop this one. `data` must stay unchanged until the promise settles.
 * @throws {SystemCallError}
 */
export function sendFromPool(fd: number, data: Uint8Array): Promise<void> {
  const { send } = loadLibc()
  return new Promise((resolve, reject) => {
    send.async(fd, data, data.length, 0, (error, sent) => {
      if (error !== null) reject(error)
      else if (sent === data.length) resolve()
      else reject(new SystemCallError('send', loadLibc().errno()))
    })
  })
}
