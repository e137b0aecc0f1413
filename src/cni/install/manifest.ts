import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describeError, errnoCode, NodeplaneError } from '#runtime/error.ts'
import { writeAtomically } from './files.ts'

/** What was installed: each path with the digests of what we have written there. More than one while it is replaced. */
export type InstallManifest = ReadonlyMap<string, readonly string[]>

/** Files cannot be installed or removed. */
export class InstallError extends NodeplaneError {
  readonly code = 'ERR_CNI_INSTALL'
}

/** No configuration by its name: runtimes pass it over. */
export const manifestIn = (confDir: string): string => join(confDir, '.nodeplane-cni-installed')

/** What an earlier call has installed; empty when there was none. @throws {InstallError} the file is damaged. */
export function readManifest(confDir: string): InstallManifest {
  const path = manifestIn(confDir)
  try {
    const { files } = JSON.parse(readFileSync(path, 'utf8')) as { readonly files: unknown }
    return new Map(
      Object.entries(files as object).map(([file, digests]) => [file, listed(digests)]),
    )
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return new Map()
    const message = `${path}: cannot be read, so what was installed is not known: ${describeError(error)}`
    throw new InstallError(message)
  }
}

function listed(digests: unknown): readonly string[] {
  if (Array.isArray(digests) && digests.every(each => typeof each === 'string')) return digests
  throw new TypeError('not a list of digests')
}

export function writeManifest(confDir: string, manifest: InstallManifest): void {
  const files = Object.fromEntries(manifest)
  writeAtomically(manifestIn(confDir), `${JSON.stringify({ files }, undefined, 2)}\n`, 0o600)
}

export const removeManifest = (confDir: string): void =>
  rmSync(manifestIn(confDir), { force: true })
