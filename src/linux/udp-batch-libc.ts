import { createRequire } from 'node:module'
import type * as Koffi from 'koffi'

/** The calls that batched UDP needs, with addresses of memory as numbers. Each gives -1 and {@link errno} on failure. */
export type BatchLibc = {
  socket(family: number, type: number, protocol: number): number
  bind(fd: number, address: Uint8Array, length: number): number
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number
  recvmmsg(fd: number, messages: number, count: number, flags: number, timeout: number): number
  sendmmsg(fd: number, messages: number, count: number, flags: number): number
  shutdown(fd: number, how: number): number
  close(fd: number): number
  errno(): number
  /** The address of a buffer's memory. Only for buffers of more than 64 octets, whose memory never moves. */
  address(buffer: ArrayBufferLike): number
}

let libc: BatchLibc | undefined

/** Loads it for this thread. @throws what koffi throws where it cannot be loaded. */
export function batchLibc(): BatchLibc {
  if (libc !== undefined) return libc
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi
  const library = koffi.load('libc.so.6')
  libc = {
    socket: library.func('int socket(int family, int type, int protocol)'),
    bind: library.func('int bind(int fd, const uint8_t *address, uint32_t length)'),
    setsockopt: library.func(
      'int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)',
    ),
    recvmmsg: library.func(
      'int recvmmsg(int fd, uintptr_t messages, unsigned int count, int flags, uintptr_t timeout)',
    ),
    sendmmsg: library.func(
      'int sendmmsg(int fd, uintptr_t messages, unsigned int count, int flags)',
    ),
    shutdown: library.func('int shutdown(int fd, int how)'),
    close: library.func('int close(int fd)'),
    errno: () => koffi.errno(),
    address: (buffer: ArrayBufferLike) => Number(koffi.address(new Uint8Array(buffer))),
  } as unknown as BatchLibc
  return libc
}
