import { once } from 'node:events'
import { chmodSync, mkdirSync, statSync } from 'node:fs'
import type { Server } from 'node:net'
import { dirname } from 'node:path'
import { ConfigError } from './error.ts'

/** `sun_path` of struct sockaddr_un, with its NUL (unix(7)). */
const MAX_PATH_BYTES = 108

/**
 * Makes the folder of a unix socket, one for root alone, so that nobody can put a socket of his own in its place.
 * @param field names the setting in errors.
 * @throws {ConfigError} the path cannot be used.
 */
export function prepareSocketFolder(path: string, field: string): void {
  const refuse = (message: string) => new ConfigError([{ field, message }])
  if (Buffer.byteLength(path) >= MAX_PATH_BYTES) {
    throw refuse(`${path} is longer than ${MAX_PATH_BYTES - 1} bytes`)
  }
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { uid, mode } = statSync(folder)
  if (uid !== process.geteuid?.() || (mode & 0o022) !== 0) {
    throw refuse(`${folder} must belong to root, and be writable for root alone`)
  }
}

/**
 * Listens on a unix socket that only this process' user can connect to: that needs write permission (unix(7)).
 * @throws the system error of a failed bind.
 */
export async function listenForRoot(server: Server, path: string): Promise<void> {
  // The kernel takes the mode at bind: there is no moment in which others may connect.
  const umask = process.umask(0o177)
  try {
    server.listen(path)
  } finally {
    process.umask(umask)
  }
  await once(server, 'listening')
  chmodSync(path, 0o600)
}
