import { glob, open } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoCode } from '#runtime/error.ts'
import type { AgentConfig } from '../config.ts'
import type { TextEntry } from './commands.ts'

/** Of a log the end counts, of a configuration all. */
const MAX_LOG_BYTES = 1024 * 1024
const MAX_CONFIG_BYTES = 1024 * 1024
const MAX_FILES = 50

/** Patterns on the node; links are not followed out of `root`, since their names are only joined to it. */
const configPatterns: readonly string[] = [
  '/etc/nodeplane/*',
  '/etc/cni/net.d/*',
  '/etc/resolv.conf',
  '/run/systemd/resolve/resolv.conf',
  '/etc/os-release',
  '/var/lib/kubelet/config.yaml',
]
const logPatterns: readonly string[] = [
  '/var/log/nodeplane*.log',
  '/var/log/nodeplane/*.log',
  '/var/log/pods/*nodeplane*/*/*.log',
]

/** Configuration files, those that the agent's names among them, and the ends of logs. */
export async function* fileEntries(
  root: string,
  configFile: string,
  config: AgentConfig | undefined,
): AsyncGenerator<TextEntry> {
  const named = [configFile, ...namedFiles(config)]
  const configs = new Set([...named, ...(await matches(root, configPatterns))])
  for (const path of [...configs].slice(0, MAX_FILES)) {
    yield* entryOf('config', { root, path, maxBytes: MAX_CONFIG_BYTES })
  }
  for (const path of (await matches(root, logPatterns)).slice(0, MAX_FILES)) {
    yield* entryOf('logs', { root, path, maxBytes: MAX_LOG_BYTES })
  }
}

function namedFiles(config: AgentConfig | undefined): readonly string[] {
  if (config === undefined) return []
  const { dns, proxy, cluster } = config
  const files = [
    dns === false ? undefined : dns.corefile,
    proxy === false ? undefined : proxy.config,
    cluster.kubeconfig,
  ]
  return files.filter(file => file !== undefined)
}

async function matches(root: string, patterns: readonly string[]): Promise<readonly string[]> {
  const found: string[] = []
  for await (const path of glob(
    patterns.map(pattern => pattern.slice(1)),
    { cwd: root },
  )) {
    found.push(`/${path}`)
  }
  return found.toSorted()
}

type Place = { readonly root: string; readonly path: string; readonly maxBytes: number }

async function* entryOf(folder: string, place: Place): AsyncGenerator<TextEntry> {
  const text = await endOf(place)
  // A name of tar has a hundred bytes.
  if (text !== undefined)
    yield { name: `${folder}${place.path}`.slice(-100).replace(/^\/+/, ''), text }
}

/** The last bytes of a file; undefined where there is none, or something else. */
async function endOf({ root, path, maxBytes }: Place): Promise<string | undefined> {
  try {
    await using file = await open(join(root, path))
    const { size } = await file.stat()
    const length = Math.min(size, maxBytes)
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(length),
      position: size - length,
    })
    return buffer.subarray(0, bytesRead).toString()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR'].includes(errnoCode(error) ?? '')) return undefined
    throw error
  }
}
