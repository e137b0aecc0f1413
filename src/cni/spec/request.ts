import {
  type ConfigObject,
  configObjectFrom,
  invalid,
  objectField,
  objectsField,
  stringField,
} from './config-object.ts'
import { type CniEnvironment, isCniName } from './environment.ts'
import { CniError, cniCodes } from './error.ts'
import type {
  AttachmentRequest,
  CniConfig,
  CniRequest,
  CniVerb,
  GcAttachment,
  GcRequest,
} from './plugin.ts'
import { resultFrom } from './result-json.ts'
import { checkRuntimeConfig } from './runtime-config.ts'
import { type CniVersion, isAtLeast, isCniVersion } from './version.ts'

/** The version of a configuration that names none (CNI specification 0.1.0 had no such field). */
const UNNAMED_VERSION: CniVersion = '0.1.0'

/** Verbs that came later than 0.1.0. */
const firstVersion: Readonly<Partial<Record<CniVerb, CniVersion>>> = {
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
}

/**
 * The object on stdin.
 * @throws {CniError} code 6: no JSON, more than one value, or not an object.
 */
export function parseStdin(stdin: Uint8Array): ConfigObject {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(stdin.buffer, stdin.byteOffset, stdin.byteLength).toString())
  } catch (cause) {
    throw new CniError(cniCodes.decodingFailure, 'the configuration on stdin is not JSON', {
      cause,
    })
  }
  return configObjectFrom(value)
}

/** cniVersion as it is written, with the default for none. @throws {CniError} code 6 when it is no string. */
export const cniVersionOf = (fields: ConfigObject): string =>
  stringField(fields, 'cniVersion') || UNNAMED_VERSION

/**
 * The request that an environment and a configuration make.
 * @param supported the versions that the plugin accepts.
 * @throws {CniError} in the order of the reference: types (6), network name (7), version (6 or 1), prevResult (6 or 7).
 */
export function requestFrom(
  environment: CniEnvironment & { readonly verb: CniVerb },
  fields: ConfigObject,
  supported: readonly CniVersion[],
  raw: CniRequest['raw'],
): CniRequest | AttachmentRequest | GcRequest {
  const { verb, args, pluginPath } = environment
  const config = configFrom(verb, fields, supported)
  const request: CniRequest = { verb, config, args, pluginPath, raw }
  if (verb === 'STATUS') return request
  if (verb === 'GC') return { ...request, validAttachments: validAttachments(fields) }
  const { containerId, ifname, netns, netnsOverride } = environment
  return { ...request, containerId, ifname, netns, netnsOverride }
}

function configFrom(
  verb: CniVerb,
  fields: ConfigObject,
  supported: readonly CniVersion[],
): CniConfig {
  const name = stringField(fields, 'name') ?? ''
  const type = stringField(fields, 'type') ?? ''
  const written = cniVersionOf(fields)
  const previous = objectField(fields, 'prevResult')
  if (name === '') throw new CniError(cniCodes.invalidConfig, 'name: missing network name')
  if (!isCniName(name)) {
    throw new CniError(
      cniCodes.invalidConfig,
      `name: '${name}' must be letters, digits, '_', '.', '-' and begin with a letter or digit`,
    )
  }
  const cniVersion = checkVersion(verb, written, supported)
  // Also where the plugin does not use it. What is removed was refused before, or is from an older version of us.
  if (verb === 'ADD' || verb === 'CHECK') checkRuntimeConfig(fields)
  const prevResult = previous === undefined ? undefined : resultFrom(previous, cniVersion)
  return { cniVersion, name, type, prevResult, fields }
}

function checkVersion(
  verb: CniVerb,
  written: string,
  supported: readonly CniVersion[],
): CniVersion {
  const first = firstVersion[verb]
  if (first !== undefined && !/^\d+\.\d+\.\d+$/.test(written)) {
    throw new CniError(cniCodes.decodingFailure, `cniVersion: '${written}' is not X.Y.Z`)
  }
  if (!isCniVersion(written) || !supported.includes(written)) {
    const details = `config is '${written}', plugin supports ${supported.join(', ')}`
    throw new CniError(cniCodes.incompatibleVersion, `incompatible CNI versions: ${details}`, {
      details,
    })
  }
  if (first !== undefined && !isAtLeast(written, first)) {
    throw new CniError(
      cniCodes.incompatibleVersion,
      `config version '${written}' does not allow ${verb}, which came with ${first}`,
    )
  }
  return written
}

/** undefined when the runtime sent no list, which is not the same as an empty one. @throws {CniError} code 6 or 7 */
function validAttachments(fields: ConfigObject): readonly GcAttachment[] | undefined {
  const key = ['cni.dev/valid-attachments', 'cni.dev/attachments'].find(k => fields.values.has(k))
  if (key === undefined) return undefined
  return objectsField(fields, key).map(item => ({
    containerId: requiredText(item, 'containerID'),
    ifname: requiredText(item, 'ifname'),
  }))
}

/** An item that names nothing would have what it stands for released. */
function requiredText(object: ConfigObject, key: string): string {
  const text = stringField(object, key) ?? ''
  if (text === '') throw invalid(object, key, 'is missing')
  return text
}
