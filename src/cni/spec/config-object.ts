import { type IpAddress, parseIp } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { CniError, cniCodes } from './error.ts'

/**
 * A JSON object of a configuration. Keys are matched without regard to case, because one major runtime writes
 * `HostPort` and another `hostPort`; of two spellings the later one wins. `null` is absent.
 *
 * Read by hand instead of by a schema library: loading zod doubles the start-up time of a plugin process, which a node
 * pays several times per pod.
 */
export type ConfigObject = {
  /** Where it stands (`ipam.ranges[0][1]`), for messages; empty for the whole configuration. */
  readonly path: string
  /** Values by key in lower case, without nulls. */
  readonly values: ReadonlyMap<string, unknown>
}

/** The object that a parsed JSON value is. @throws {CniError} code 6 when it is none. */
export function configObjectFrom(value: unknown, path = ''): ConfigObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrongType(path, 'an object', value)
  }
  const values = new Map<string, unknown>()
  for (const [key, item] of Object.entries(value)) {
    if (item !== null) values.set(key.toLowerCase(), item)
  }
  return { path, values }
}

/** The text of a field. @throws {CniError} code 6 when it is no string. */
export function stringField(object: ConfigObject, key: string): string | undefined {
  const value = object.values.get(key.toLowerCase())
  return value === undefined ? undefined : asString(value, fieldPath(object, key))
}

/** The truth value of a field; `"true"` is none. @throws {CniError} code 6 */
export function booleanField(object: ConfigObject, key: string): boolean | undefined {
  const value = object.values.get(key.toLowerCase())
  if (value === undefined || typeof value === 'boolean') return value
  throw wrongType(fieldPath(object, key), 'true or false', value)
}

/** The whole number in a field; `"1"` and 1.5 are none. @throws {CniError} code 6 */
export function integerField(object: ConfigObject, key: string): number | undefined {
  const value = object.values.get(key.toLowerCase())
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw wrongType(fieldPath(object, key), 'a whole number', value)
}

/** The object in a field. @throws {CniError} code 6 */
export function objectField(object: ConfigObject, key: string): ConfigObject | undefined {
  const value = object.values.get(key.toLowerCase())
  return value === undefined ? undefined : configObjectFrom(value, fieldPath(object, key))
}

/** The object at a path of keys (`args`, `cni`); undefined where one of them is missing. @throws {CniError} code 6 */
export function objectAt(
  object: ConfigObject,
  ...keys: readonly string[]
): ConfigObject | undefined {
  let found: ConfigObject | undefined = object
  for (const key of keys) found = found && objectField(found, key)
  return found
}

/** The strings of a list; empty when it is absent. @throws {CniError} code 6 */
export const stringsField = (object: ConfigObject, key: string): readonly string[] =>
  listField(object, key, asString)

/** The objects of a list; empty when it is absent. @throws {CniError} code 6 */
export const objectsField = (object: ConfigObject, key: string): readonly ConfigObject[] =>
  listField(object, key, configObjectFrom)

/** The items of a list, each read by `read`, which gets its path; empty when the list is absent. @throws {CniError} code 6 */
export function listField<T>(
  object: ConfigObject,
  key: string,
  read: (value: unknown, path: string) => T,
): readonly T[] {
  const value = object.values.get(key.toLowerCase())
  return value === undefined ? [] : asList(value, fieldPath(object, key), read)
}

/** The IP address in a field; an empty string is absent. @throws {CniError} code 6 for another type, 7 for other text. */
export function ipField(object: ConfigObject, key: string): IpAddress | undefined {
  const text = stringField(object, key)
  if (text === undefined || text === '') return undefined
  const ip = parseIp(text)
  if (ip === undefined) throw invalid(object, key, `'${text}' is not an IP address`)
  return ip
}

/** The `address/length` in a field, host bits kept; an empty string is absent. @throws {CniError} code 6 or 7 */
export function prefixField(object: ConfigObject, key: string): IpPrefix | undefined {
  const text = stringField(object, key)
  if (text === undefined || text === '') return undefined
  const prefix = parsePrefix(text)
  if (prefix === undefined) throw invalid(object, key, `'${text}' is not ADDRESS/LENGTH`)
  return prefix
}

/** The error for a field whose type is right and whose value is not: code 7. */
export const invalid = (object: ConfigObject, key: string, why: string): CniError =>
  new CniError(cniCodes.invalidConfig, `${fieldPath(object, key)}: ${why}`)

/** `ipam.ranges`. */
export const fieldPath = ({ path }: ConfigObject, key: string): string =>
  path === '' ? key : `${path}.${key}`

/** A list whose items are read by `read`. `path` is the list's. @throws {CniError} code 6 */
export function asList<T>(
  value: unknown,
  path: string,
  read: (item: unknown, path: string) => T,
): readonly T[] {
  if (!Array.isArray(value)) throw wrongType(path, 'a list', value)
  return value.map((item, index) => read(item, `${path}[${index}]`))
}

/** The text that a value is. `path` is the value's. @throws {CniError} code 6 */
export function asString(value: unknown, path: string): string {
  if (typeof value !== 'string') throw wrongType(path, 'a string', value)
  return value
}

function wrongType(path: string, wanted: string, value: unknown): CniError {
  const what = path === '' ? 'the configuration' : path
  return new CniError(cniCodes.decodingFailure, `${what} must be ${wanted}, not ${typeName(value)}`)
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  const text = JSON.stringify(value)
  return text.length > 40 ? `a ${typeof value}` : text
}
