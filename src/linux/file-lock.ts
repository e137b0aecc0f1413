import { closeSync, openSync } from 'node:fs'
import type { Clock } from '#runtime/clock.ts'
import { NodeplaneError } from '#runtime/error.ts'
import { tryFlock } from './libc.ts'

/** Others held the lock for the whole time. */
export class FileLockTimeout extends NodeplaneError {
  readonly code = 'ERR_FILE_LOCK_TIMEOUT'
  constructor(path: string, timeoutMs: number) {
    super(`lock ${path}: held by others for ${timeoutMs} ms`)
  }
}

export type FileLockOptions = {
  readonly timeoutMs: number
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
}

/** Waits between tries: short at first, because most holders need a few milliseconds. */
const FIRST_WAIT_MS = 1
const LONGEST_WAIT_MS = 20

/**
 * Takes the exclusive flock(2) lock of a file, which is made when it is missing; disposing gives the lock back, and so
 * does the end of the process. It excludes other users of flock, not those of POSIX record locks.
 *
 * It tries again and again instead of blocking: a blocked call would hold a thread that nothing can free.
 * @throws {FileLockTimeout}, {SystemCallError}, system errors of opening the file.
 */
export async function lockFile(path: string, options: FileLockOptions): Promise<Disposable> {
  const { timeoutMs, clock, signal } = options
  using opened = new DisposableStack()
  const fd = opened.adopt(openSync(path, 'a', 0o600), closeSync)
  if (!tryFlock(fd)) {
    const end = clock.monotonic() + timeoutMs
    for (
      let waitMs = FIRST_WAIT_MS;
      !tryFlock(fd);
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
    ) {
      if (clock.monotonic() >= end) throw new FileLockTimeout(path, timeoutMs)
      // Those who wait must not try in step.
      await clock.sleep(waitMs * (0.5 + Math.random()), signal)
    }
  }
  // Closing the only descriptor of the open file ends the lock.
  return opened.move()
}
