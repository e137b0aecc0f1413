import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { ConfigError, describeError } from '#runtime/error.ts'
import { type AgentConfig, parseAgentConfig } from '../config.ts'
import { examine } from '../doctor/checks.ts'
import { collectFacts } from '../doctor/collect.ts'
import { DEFAULT_AGENT_SOCKET } from '../view/client.ts'
import { agentState } from './agent-state.ts'
import { commandEntries, type TextEntry } from './commands.ts'
import { fileEntries } from './files.ts'
import { redact } from './redact.ts'
import { type TarEntry, tar } from './tar.ts'

export type BundleOptions = {
  /** Where the node's files are: `/`, or where a container has them. */
  readonly root: string
  /** The agent's configuration, a path on the node. */
  readonly config: string
  readonly nowMs: number
  /** What the caller knows of the program. */
  readonly versions: object
}

/** Of one file and of all together, before they are compressed. */
const MAX_ENTRY_BYTES = 32 * 1024 * 1024
const MAX_BYTES = 128 * 1024 * 1024

const DEFAULT_HTTP_ADDRESS = '127.0.0.1:9154'

/**
 * All that helps to understand a node from afar, as a gzipped tar archive with the names in it; without secrets, and of bounded size.
 * What cannot be had is told in its place.
 */
export async function makeBundle(
  options: BundleOptions,
  signal: AbortSignal,
): Promise<{ readonly archive: Buffer; readonly names: readonly string[] }> {
  const files: TarEntry[] = []
  let bytes = 0
  for await (const { name, text } of entries(options, signal)) {
    const content = Buffer.from(redact(text)).subarray(0, MAX_ENTRY_BYTES)
    if (bytes + content.length > MAX_BYTES) break
    bytes += content.length
    files.push({ name: `nodeplane-bundle/${name}`.slice(0, 100), content })
  }
  const archive = await promisify(gzip)(tar(files, options.nowMs / 1000))
  return { archive, names: files.map(({ name }) => name) }
}

/** What counts most comes first: at the limit the rest is left out. */
async function* entries(options: BundleOptions, signal: AbortSignal): AsyncGenerator<TextEntry> {
  const { root, config: configFile, versions } = options
  const config = await agentConfig(root, configFile)
  yield { name: 'version.json', text: asJson(versions) }
  yield { name: 'doctor.json', text: await diagnosis(options, signal) }
  const places = {
    http: config?.http.address ?? DEFAULT_HTTP_ADDRESS,
    socket: join(root, config?.socket ?? DEFAULT_AGENT_SOCKET),
  }
  yield* await agentState(places, signal)
  yield* fileEntries(root, configFile, config)
  yield* commandEntries(signal)
}

const asJson = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`

async function diagnosis(options: BundleOptions, signal: AbortSignal): Promise<string> {
  try {
    return asJson({ findings: examine(await collectFacts(options, signal)) })
  } catch (error) {
    signal.throwIfAborted()
    return `${describeError(error)}\n`
  }
}

/** undefined where there is none that can be used: a bundle is made of broken nodes too. */
async function agentConfig(root: string, file: string): Promise<AgentConfig | undefined> {
  try {
    return parseAgentConfig(await readFile(join(root, file), 'utf8'), file)
  } catch (error) {
    if (error instanceof ConfigError || (error instanceof Error && 'code' in error))
      return undefined
    throw error
  }
}
