import {
  asString,
  type ConfigObject,
  fieldPath,
  invalid,
  objectField,
} from '../spec/config-object.ts'
import { duplicateKeys } from '../spec/duplicate-keys.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { AttachmentRequest } from '../spec/plugin.ts'

/** A setting below /proc/sys/net of the container. */
export type Sysctl = {
  /** As it was written, for messages and the allowlist. */
  readonly key: string
  /** Below /proc/sys: `net/ipv4/conf/eth0/arp_notify`. */
  readonly path: string
  readonly value: string
}

/**
 * The sysctls of all sources, of equal paths the last.
 * @throws {CniError} code 6: a value is no string; code 7: a key is written twice, or leads outside of net.
 */
export function sysctlsFrom(
  request: AttachmentRequest,
  sources: readonly ConfigObject[],
): readonly Sysctl[] {
  refuseDuplicates(request)
  const found = new Map<string, Sysctl>()
  for (const source of sources) {
    for (const sysctl of sysctlsOf(source, request.ifname)) found.set(sysctl.path, sysctl)
  }
  return [...found.values()]
}

function sysctlsOf(source: ConfigObject, ifname: string): readonly Sysctl[] {
  // Checked, but not read by its keys, which are lower case: interfaces and IFNAME have a case.
  const object = objectField(source, 'sysctl')
  if (object === undefined) return []
  return Object.entries(source.values.get('sysctl') as object)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => ({
      key,
      path: pathOf(object, key, ifname),
      value: asString(value, fieldPath(object, key)),
    }))
}

/** `net.ipv4.conf.IFNAME.arp_notify` → `net/ipv4/conf/eth0/arp_notify`; the name of the interface may have dots. */
function pathOf(object: ConfigObject, key: string, ifname: string): string {
  const parts = key.split(/[./]+/).filter(part => part !== '')
  if (parts[0] !== 'net' || parts.length < 2) {
    throw invalid(object, key, 'is no sysctl of the network: only net.* can be set')
  }
  // A function: `$&` in the name would mean something in a text.
  return parts.join('/').replace('IFNAME', () => ifname)
}

function refuseDuplicates({ raw }: AttachmentRequest): void {
  const text = Buffer.from(raw.stdin).toString()
  const twice = duplicateKeys(text).find(({ path }) => /^(args\.cni\.)?sysctl$/.test(path))
  if (twice === undefined) return
  throw new CniError(cniCodes.invalidConfig, `${twice.path}.${twice.key}: is written twice`)
}

/**
 * @param allowlist lines of a file, each an unanchored regular expression; undefined: all is allowed.
 * @throws {CniError} code 7: a key matches none, or a line is no regular expression.
 */
export function requireAllowed(sysctls: readonly Sysctl[], allowlist: string | undefined): void {
  if (allowlist === undefined) return
  const lines = allowlist.split('\n').map(line => line.trim())
  const patterns = lines.filter(line => line !== '').map(patternFrom)
  const refused = sysctls.find(({ key }) => !patterns.some(pattern => pattern.test(key)))
  if (refused === undefined) return
  throw new CniError(
    cniCodes.invalidConfig,
    `sysctl.${refused.key}: is not on this node's list of allowed sysctls`,
  )
}

function patternFrom(line: string): RegExp {
  try {
    return new RegExp(line)
  } catch (cause) {
    throw new CniError(cniCodes.invalidConfig, 'the list of allowed sysctls', { cause })
  }
}
