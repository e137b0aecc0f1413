import { closeSync, constants, fstatSync, openSync, statfsSync } from 'node:fs'
import { errnoCode, NodeplaneError } from '#runtime/error.ts'
import { CLONE_NEWNET, namespaceCookie, namespaceType, setns } from './libc.ts'

/** A path that does not lead to a network namespace. */
export class NamespaceError extends NodeplaneError {
  readonly code = 'ERR_NAMESPACE'
  readonly path: string
  constructor(path: string, why: string, options?: ErrorOptions) {
    super(`network namespace ${path}: ${why}`, options)
    this.path = path
  }
}

/** File system of namespace files: NSFS_MAGIC (linux/magic.h). */
const NSFS_MAGIC = 0x6e736673

/** The namespace of the calling thread; `/proc/self` would be that of the main thread. */
const OWN_PATH = '/proc/thread-self/ns/net'

/** A network namespace held open: it lives at least until this is disposed, wherever its path went. */
export class NetworkNamespace implements Disposable {
  /** For netlink attributes such as IFLA_NET_NS_FD. */
  readonly fd: number
  /** Device and inode: two handles with the same identity are the same namespace. A later one may get the number of one that went. */
  readonly identity: string

  private constructor(fd: number) {
    this.fd = fd
    const { dev, ino } = fstatSync(fd, { bigint: true })
    this.identity = `${dev}:${ino}`
  }

  /**
   * Opens the namespace at any path: a bind mount (`/run/netns/x`) or `/proc/PID/ns/net`.
   * @throws {NamespaceError} nothing is there, or something else: an ordinary file is what a reboot leaves
   * of a bind mount.
   */
  static open(path: string): NetworkNamespace {
    // Opening a FIFO would wait for a writer without O_NONBLOCK.
    const fd = openAt(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      if (statfsSync(`/proc/self/fd/${fd}`).type !== NSFS_MAGIC) {
        throw new NamespaceError(path, 'not a namespace')
      }
      if (namespaceType(fd) !== CLONE_NEWNET) {
        throw new NamespaceError(path, 'a namespace of another type')
      }
      return new NetworkNamespace(fd)
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  /** The namespace that the calling thread is in. */
  static own(): NetworkNamespace {
    return NetworkNamespace.open(OWN_PATH)
  }

  isSame(other: NetworkNamespace): boolean {
    return this.identity === other.identity
  }

  /**
   * The identity that no other namespace ever has: with the kernel's cookie, where it gives one.
   * @throws {SystemCallError} the namespace cannot be entered.
   */
  lastingIdentity(): string {
    using own = NetworkNamespace.own()
    // To enter a namespace takes rights, also the own one.
    const cookie = own.isSame(this) ? namespaceCookie() : this.run(() => namespaceCookie())
    return cookie === undefined ? this.identity : `${this.identity}:${cookie}`
  }

  /**
   * Runs `work` in this namespace: the sockets it makes stay bound to it, and /proc/sys/net shows its
   * sysctls. The thread is back where it was when this returns or throws. `work` must be synchronous: other
   * work of the thread would run in the wrong namespace during an await, so a promise is refused.
   * Threads that `work` starts stay in this namespace: call nothing that first uses the thread pool.
   * @throws {SystemCallError} the namespace cannot be entered; and whatever `work` throws.
   */
  run<T>(work: () => T extends PromiseLike<unknown> ? never : T): T {
    const back = openSync(OWN_PATH, 'r')
    try {
      setns(this.fd, CLONE_NEWNET)
      try {
        const result = work()
        if (isThenable(result)) throw new TypeError('work in a namespace must be synchronous')
        return result
      } finally {
        returnTo(back)
      }
    } finally {
      closeSync(back)
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.fd)
  }
}

function openAt(path: string, flags: number): number {
  try {
    return openSync(path, flags)
  } catch (cause) {
    const why = errnoCode(cause) === 'ENOENT' ? 'does not exist' : 'cannot be opened'
    throw new NamespaceError(path, why, { cause })
  }
}

/** Everything that follows would act on a pod instead of the node: dying is the smaller harm. */
function returnTo(fd: number): void {
  try {
    setns(fd, CLONE_NEWNET)
  } catch (error) {
    process.stderr.write(`cannot leave a network namespace: ${String(error)}\n`)
    process.abort()
  }
}

const isThenable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'then' in value
