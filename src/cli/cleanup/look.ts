import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bridgesIn, knownAttachments } from '#cni/cleanup.ts'
import { installedPaths } from '#cni/install/install.ts'
import { installedIptables } from '#linux/iptables.ts'
import { listLinks } from '#linux/netlink/link.ts'
import { listRoutes } from '#linux/netlink/route.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { listNftTables } from '#linux/nft-tables.ts'
import { ipFamilies } from '#net/ip.ts'
import { formatPrefix } from '#net/prefix.ts'
import { isOurs } from '#routes/route-diff.ts'
import type { Seen, SeenChain } from './leftovers.ts'

/** Where our files are. */
export type Places = {
  /** Sockets and what a reboot ends: `/run/nodeplane`. */
  readonly runDir: string
  /** What outlives a reboot: `/var/lib/nodeplane`. */
  readonly stateDir: string
  /** The container runtime's configurations: `/etc/cni/net.d`. */
  readonly confDir: string
}

/** Names below the run and state folders that belong to attached pods: addresses in use, journal, register. */
const POD_FOLDERS = new Set(['networks', 'pods', 'cni'])

/** Looks at everything that may be ours; changes nothing. @throws {NodeplaneError} the kernel could not be asked. */
export async function look(places: Places, signal: AbortSignal): Promise<Seen> {
  const { live, gone, bridges } = knownAttachments(journalIn(places), () => {})
  const nameOf = (each: (typeof live)[number]) =>
    `${each.network} ${each.containerId} ${each.ifname}`
  const below = [places.runDir, places.stateDir].flatMap(pathsBelow)
  const installed = installedPaths(places.confDir)
  return {
    tables: await listNftTables(),
    chains: await listChains(signal),
    ...(await listNetwork()),
    live: live.map(nameOf),
    gone: gone.map(nameOf),
    bridges: [...new Set([...bridges, ...bridgesIn(installed.flatMap(pluginsOf))])],
    files: below.filter(({ name }) => !POD_FOLDERS.has(name)).map(({ path }) => path),
    podFiles: [
      ...below.filter(({ name }) => POD_FOLDERS.has(name)).map(({ path }) => path),
      ...installed,
    ],
  }
}

export const journalIn = ({ stateDir }: Places): string => join(stateDir, 'cni')

const pathsBelow = (folder: string) =>
  existsSync(folder) ? readdirSync(folder).map(name => ({ name, path: join(folder, name) })) : []

/** The plugin configurations of a network list that we installed. */
function pluginsOf(path: string): readonly Readonly<Record<string, unknown>>[] {
  if (!path.endsWith('.conflist')) return []
  try {
    const { plugins } = JSON.parse(readFileSync(path, 'utf8')) as { readonly plugins?: unknown }
    return Array.isArray(plugins) ? plugins : []
  } catch {
    // Somebody has changed it: then it says nothing of ours.
    return []
  }
}

async function listChains(signal: AbortSignal): Promise<readonly SeenChain[]> {
  const chains: SeenChain[] = []
  for (const family of ipFamilies) {
    for (const iptables of await installedIptables(family)) {
      const program = `${family === 4 ? 'iptables' : 'ip6tables'} (${iptables.flavour})`
      let table = ''
      for (const line of (await iptables.save(signal)).split('\n')) {
        if (line.startsWith('*')) table = line.slice(1)
        const chain = /^:(\S+)/.exec(line)?.[1]
        if (chain !== undefined) chains.push({ program, table, chain })
      }
    }
  }
  return chains
}

async function listNetwork(): Promise<Pick<Seen, 'links' | 'routes'>> {
  using socket = NetlinkSocket.open()
  const routes: string[] = []
  for (const family of ipFamilies) {
    for (const route of (await listRoutes(socket, family)).filter(isOurs)) {
      routes.push(route.destination === undefined ? 'default' : formatPrefix(route.destination))
    }
  }
  return { links: await listLinks(socket), routes }
}
