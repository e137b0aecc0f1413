import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { ConfigError, describeError } from '#runtime/error.ts'
import { type CorefileSystem, fileSystem } from '../corefile/files.ts'
import { type Corefile, parseCorefile } from '../corefile/parser.ts'
import { certificateFiles, hashFiles } from './certificate-files.ts'

/** A Corefile: a path, read again with every reload, or a text that stays. `file` names the text in messages. */
export type CorefileSource = string | { readonly text: string; readonly file: string }

/** A Corefile as it was read. */
export type ReadCorefile = {
  readonly corefile: Corefile
  /** The folder that paths in it are relative to. */
  readonly directory: string
  /** SHA-512 over its text and all that it imports, in hexadecimal. */
  readonly hash: string
  /** Another one when the hash is, or what a certificate file that it names holds. */
  readonly version: string
}

/** Reads a Corefile and what it imports. @throws {ConfigError} it cannot be read or understood, or has no server block. */
export async function readCorefile(
  source: CorefileSource,
  env: CorefileSystem['env'],
): Promise<ReadCorefile> {
  const file = typeof source === 'string' ? source : source.file
  const text = typeof source === 'string' ? await readText(source) : source.text
  const corefile = parseCorefile(text, file, fileSystem(env))
  if (corefile.blocks.length === 0) {
    const message = 'there is no server block; `.:53 { whoami }` is the least'
    throw new ConfigError([{ file, message }])
  }
  const directory = dirname(resolve(file))
  const hash = hashOf(text, corefile)
  // Before anything is loaded: a file that is replaced meanwhile makes one reload too many, never one too few.
  const version = `${hash} ${await hashFiles(certificateFiles(corefile.blocks, directory))}`
  return { corefile, directory, hash, version }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new ConfigError([{ file: path, message: `cannot be read: ${describeError(error)}` }])
  }
}

function hashOf(text: string, { imported }: Corefile): string {
  const hash = createHash('sha512').update(text)
  for (const [path, content] of imported) hash.update(`\0${path}\0${content}`)
  return hash.digest('hex')
}
