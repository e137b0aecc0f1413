import { CniError, cniCodes } from './error.ts'
import type { CniVerb } from './plugin.ts'

/** The CNI_ variables of a call, checked. What a verb does not need may be empty. */
export type CniEnvironment = {
  readonly verb: CniVerb | 'VERSION'
  readonly containerId: string
  readonly netns: string
  readonly ifname: string
  readonly args: string
  readonly pluginPath: readonly string[]
  readonly netnsOverride: boolean
}

/** Which variables a verb cannot do without (CNI specification 1.1.0, section 2), in the order in which they are named. */
const required: Readonly<Record<CniEnvironment['verb'], readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_PATH'],
  GC: ['CNI_PATH'],
  STATUS: ['CNI_PATH'],
  VERSION: [],
}

/**
 * Reads the variables; undefined when there is no CNI_COMMAND, so a person called.
 * @throws {CniError} code 4: an unknown verb, missing variables (all named together), or malformed ones.
 */
export function parseEnvironment(env: Readonly<NodeJS.ProcessEnv>): CniEnvironment | undefined {
  const command = env['CNI_COMMAND'] ?? ''
  if (command === '') return undefined
  if (!isVerb(command)) throw malformed(`unknown CNI_COMMAND: '${command}'`)
  const missing = required[command].filter(name => (env[name] ?? '') === '')
  if (missing.length > 0) {
    throw malformed(`required env variables [${missing.join(',')}] missing`)
  }
  const attached = required[command].includes('CNI_CONTAINERID')
  const environment = {
    verb: command,
    containerId: env['CNI_CONTAINERID'] ?? '',
    netns: env['CNI_NETNS'] ?? '',
    ifname: env['CNI_IFNAME'] ?? '',
    args: env['CNI_ARGS'] ?? '',
    pluginPath: (env['CNI_PATH'] ?? '').split(':').filter(folder => folder !== ''),
    netnsOverride: /^(1|true)$/i.test(env['CNI_NETNS_OVERRIDE'] ?? ''),
  }
  if (attached) checkAttachment(environment)
  return environment
}

/** Is this a container id or network name: a letter or digit, then letters, digits, `_`, `.`, `-`? */
export const isCniName = (text: string): boolean => /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(text)

/** Is this the name of a network interface the kernel would take, of 1–15 bytes? */
export const isInterfaceName = (text: string): boolean =>
  text !== '.' && text !== '..' && Buffer.byteLength(text) <= 15 && /^[^/:\s]+$/.test(text)

function checkAttachment({ containerId, ifname }: CniEnvironment): void {
  if (!isCniName(containerId)) {
    throw malformed(
      `CNI_CONTAINERID '${containerId}' must be letters, digits, '_', '.', '-' and begin with a letter or digit`,
    )
  }
  if (!isInterfaceName(ifname)) {
    throw malformed(
      `CNI_IFNAME '${ifname}' must be 1-15 bytes without '/', ':' and blanks, and not '.' or '..'`,
    )
  }
}

const isVerb = (text: string): text is CniEnvironment['verb'] => Object.hasOwn(required, text)

const malformed = (why: string): CniError => new CniError(cniCodes.invalidEnvironment, why)
