import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { errnoCode, NodeplaneError } from '#runtime/error.ts'

/** A sysctl that could not be read or written; the cause has the system's error code. */
export class SysctlError extends NodeplaneError {
  readonly code = 'ERR_SYSCTL'
  /** The sysctl's path below /proc/sys, for example `net/ipv4/ip_forward`. */
  readonly sysctl: string
  constructor(sysctl: string, what: 'read' | 'write', options?: ErrorOptions) {
    super(`sysctl ${sysctl}: cannot ${what}`, options)
    this.sysctl = sysctl
  }
}

/**
 * A sysctl's path below /proc/sys from its parts. The parts are never split at dots: `eth0.100` is one
 * interface. @throws {RangeError} a part would lead to another folder.
 */
export function sysctlPath(...parts: readonly string[]): string {
  for (const part of parts) {
    if (part === '' || part === '.' || part === '..' || part.includes('/')) {
      throw new RangeError(`not a part of a sysctl's name: ${JSON.stringify(part)}`)
    }
  }
  return parts.join('/')
}

/** A setting of one interface, or of `all` or `default`. */
export const interfaceSysctl = (family: 'ipv4' | 'ipv6', link: string, key: string): string =>
  sysctlPath('net', family, 'conf', link, key)

/**
 * The trimmed value, as the calling thread's network namespace shows it: synchronous, so that it can be used
 * in {@link NetworkNamespace.run}. @throws {SysctlError}
 */
export function readSysctl(path: string): string {
  try {
    return readFileSync(`/proc/sys/${path}`, 'utf8').trim()
  } catch (cause) {
    throw new SysctlError(path, 'read', { cause })
  }
}

/**
 * Where to write: a container's own /proc/sys is read-only unless it is privileged; deploy/ mounts the node's net/ here. Both
 * show the network namespace of who opens a file.
 */
const WRITABLE_ROOTS = ['/proc/sys', '/host/proc/sys'] as const

/** Writes a value, in the calling thread's network namespace. @throws {SysctlError} */
export function writeSysctl(path: string, value: string): void {
  const [own, mounted] = WRITABLE_ROOTS
  try {
    try {
      writeUnder(own, path, value)
    } catch (error) {
      if (errnoCode(error) !== 'EROFS' || !existsSync(`${mounted}/${path}`)) throw error
      writeUnder(mounted, path, value)
    }
  } catch (cause) {
    throw new SysctlError(path, 'write', { cause })
  }
}

/** Without O_CREAT: a missing sysctl is "not there", not "not permitted". */
const writeUnder = (root: string, path: string, value: string): void =>
  writeFileSync(`${root}/${path}`, value, { flag: 'r+' })

/**
 * Writes a value only where another one is set, and says whether it did. A needless write can have side
 * effects (ip_forward resets settings of interfaces) and fails where /proc/sys is read-only.
 * @throws {SysctlError}
 */
export function ensureSysctl(path: string, value: string): boolean {
  if (readSysctl(path) === value) return false
  writeSysctl(path, value)
  return true
}
