import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { errnoCode } from '#runtime/error.ts'

/** The digest by which a file's content is recognised. */
export const digestOf = (content: Uint8Array | string): string =>
  createHash('sha256').update(content).digest('hex')

/** The content's digest of the file at a path; undefined when nothing is there. @throws system errors */
export function digestAt(path: string): string | undefined {
  try {
    return digestOf(readFileSync(path))
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Puts a file in its place: who looks sees the old one or the new one, whole, also after a power failure. A program that runs
 * from the old one goes on.
 */
export const writeAtomically = (path: string, content: Uint8Array | string, mode: number): void =>
  replace(path, temporary => {
    writeFileSync(temporary, content, { mode, flag: 'wx', flush: true })
  })

/** Gives a file a second name, as {@link writeAtomically}. */
export const linkAtomically = (existing: string, path: string): void =>
  replace(path, temporary => linkSync(existing, temporary))

function replace(path: string, make: (temporary: string) => void): void {
  // Runtimes read *.conf, *.conflist and *.json only, and start what a configuration names.
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}.tmp`)
  try {
    make(temporary)
    renameSync(temporary, path)
  } finally {
    // Also after a rename of two names of one file, which does nothing (rename(2)).
    rmSync(temporary, { force: true })
  }
  syncFolder(dirname(path))
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
