import { readdirSync, readlinkSync } from 'node:fs'
import { type HostAddress, hostAddresses } from '#net/host-addresses.ts'
import { NamespaceError, NetworkNamespace } from './namespace.ts'

/** A network namespace, and the addresses of its links that are up. */
export type SeenNamespace = {
  /** One of its paths. */
  readonly path: string
  readonly addresses: readonly HostAddress[]
}

/** Where runtimes and ip(8) keep namespaces by name. */
const NAMED = '/run/netns'

/** More than a node has pods; the rest is not looked at. */
const MAX_NAMESPACES = 4096

/**
 * The network namespaces of this machine other than the caller's: those with a name, and those that a process is in, as far
 * as this process may see them. One that vanishes meanwhile is left out.
 */
export function listNamespaces(): readonly SeenNamespace[] {
  using own = NetworkNamespace.own()
  const seen = new Map<string, SeenNamespace | undefined>([[own.identity, undefined]])
  for (const path of [...namedPaths(), ...processPaths()]) {
    if (seen.size > MAX_NAMESPACES) break
    look(path, seen)
  }
  return [...seen.values()].filter(namespace => namespace !== undefined)
}

function look(path: string, seen: Map<string, SeenNamespace | undefined>): void {
  try {
    using namespace = NetworkNamespace.open(path)
    if (seen.has(namespace.identity)) return
    seen.set(namespace.identity, { path, addresses: namespace.run(hostAddresses) })
  } catch (error) {
    if (!(error instanceof NamespaceError)) throw error
  }
}

const namedPaths = (): readonly string[] => entriesOf(NAMED).map(name => `${NAMED}/${name}`)

/** One process for each namespace. */
function processPaths(): readonly string[] {
  const paths = new Map<string, string>()
  for (const name of entriesOf('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue
    const path = `/proc/${name}/ns/net`
    try {
      const identity = readlinkSync(path)
      if (!paths.has(identity)) paths.set(identity, path)
    } catch {
      // It has ended, or is somebody's whom we may not look at.
    }
  }
  return [...paths.values()]
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
