import { type FileHandle, open } from 'node:fs/promises'
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'
import type { Clock } from '#runtime/clock.ts'
import { NodeplaneError } from '#runtime/error.ts'

/** The lock was not to be had in time, or the kernel refused it. */
export class FileLockError extends NodeplaneError {
  readonly code = 'ERR_FILE_LOCK'
  /** Did others hold it for the whole time? */
  readonly timedOut: boolean
  constructor(path: string, why: string, timedOut: boolean) {
    super(`lock ${path}: ${why}`)
    this.timedOut = timedOut
  }
}

export type FileLockOptions = {
  readonly timeoutMs: number
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
}

/** flock(2) operations, from <sys/file.h>. */
const LOCK_EX = 2
const LOCK_NB = 4

/** Waits between tries: short at first, because most holders need a few milliseconds. */
const FIRST_WAIT_MS = 1
const LONGEST_WAIT_MS = 20

const flock = koffi.load(null).func('int flock(int fd, int operation)')

/**
 * Takes the exclusive flock(2) lock of a file, which is made when it is missing; disposing gives the lock back, and so
 * does the end of the process. It excludes other users of flock, not those of POSIX record locks.
 *
 * It tries again and again instead of blocking: a blocked call would hold a thread that nothing can free.
 * @throws {FileLockError} after `timeoutMs`; system errors of opening the file.
 */
export async function lockFile(path: string, options: FileLockOptions): Promise<AsyncDisposable> {
  const { timeoutMs, clock, signal } = options
  const end = clock.monotonic() + timeoutMs
  await using opened = new AsyncDisposableStack()
  const file = opened.use(await open(path, 'a', 0o600))
  for (
    let waitMs = FIRST_WAIT_MS;
    !tryLock(file, path);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
  ) {
    if (clock.monotonic() >= end) {
      throw new FileLockError(path, `held by others for ${timeoutMs} ms`, true)
    }
    // Those who wait must not try in step.
    await clock.sleep(waitMs * (0.5 + Math.random()), signal)
  }
  // Closing the only descriptor of the open file ends the lock.
  return opened.move()
}

function tryLock(file: FileHandle, path: string): boolean {
  const EINTR = koffi.os.errno['EINTR']
  for (;;) {
    if (flock(file.fd, LOCK_EX | LOCK_NB) === 0) return true
    const errno = koffi.errno()
    if (errno === koffi.os.errno['EWOULDBLOCK'] || errno === koffi.os.errno['EAGAIN']) return false
    if (errno !== EINTR) throw new FileLockError(path, getSystemErrorName(-errno), false)
  }
}
