import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { parseResolvConf, ResolvConfError } from '#dns/policy/resolv-conf.ts'
import { parseIp } from '#net/ip.ts'
import { configFromFile } from '#proxy/config/load.ts'
import { errnoCode } from '#runtime/error.ts'
import { type AgentConfig, parseAgentConfig } from '../config.ts'
import { parseNetwork } from './cni-network.ts'
import type { CniNetwork, NodeFacts, Resolver, Wanted } from './facts.ts'

const KUBELET_CONFIG = '/var/lib/kubelet/config.yaml'
const CNI_FOLDER = '/etc/cni/net.d'
const RESOLV_CONF = '/etc/resolv.conf'
const DEFAULT_HTTP_ADDRESS = '127.0.0.1:9154'

type Read = (path: string) => Promise<string | undefined>

/** What files say of this node. @throws {ConfigError} the agent's configuration is wrong. */
export async function collectFiles({
  root,
  config: configPath,
}: {
  readonly root: string
  readonly config: string
}): Promise<
  Pick<NodeFacts, 'wanted' | 'resolvers' | 'networks'> & { readonly httpAddress: string }
> {
  const read: Read = path => readIfThere(join(root, path))
  const text = await read(configPath)
  const config = text === undefined ? undefined : parseAgentConfig(text, configPath)
  return {
    wanted: config === undefined ? unconfigured : await wantedBy(config, read),
    resolvers: await collectResolvers(config, read),
    networks: await collectNetworks(root, read),
    httpAddress: config?.http.address ?? DEFAULT_HTTP_ADDRESS,
  }
}

/** Without a configuration: what is meant for most nodes. */
const unconfigured: Wanted = {
  isConfigured: false,
  proxyMode: 'nftables',
  dns: true,
  cni: true,
  routes: undefined,
  dnsAddresses: [],
}

async function wantedBy(config: AgentConfig, read: Read): Promise<Wanted> {
  const { proxy, dns, cni, routes } = config
  const own =
    dns === false
      ? []
      : [...(dns.nodeLocal?.addresses ?? []), ...(dns.podsPolicy?.clusterDNS ?? [])]
  const ofPods = cni === false ? [] : (cni.podDNS?.clusterDNS ?? [])
  return {
    isConfigured: true,
    proxyMode: proxy === false ? undefined : await proxyMode(proxy.config, read),
    dns: dns !== false,
    cni: cni !== false,
    routes: routes === false ? undefined : routes.mode,
    dnsAddresses: [...own, ...ofPods].flatMap(address => parseIp(address) ?? []),
  }
}

async function proxyMode(
  file: string | undefined,
  read: Read,
): Promise<NonNullable<Wanted['proxyMode']>> {
  const text = file === undefined ? undefined : await read(file)
  if (file === undefined || text === undefined) return 'nftables'
  const { mode } = configFromFile(text, file).config
  return mode === 'iptables' || mode === 'ipvs' ? mode : 'nftables'
}

async function collectResolvers(
  config: AgentConfig | undefined,
  read: Read,
): Promise<readonly Resolver[]> {
  const kubelet = await kubeletResolvConf(read)
  const dns = config === undefined || config.dns === false ? undefined : config.dns
  const cni = config === undefined || config.cni === false ? undefined : config.cni
  const ofPods = [kubelet, dns?.podsPolicy?.resolvConf, cni?.podDNS?.resolvConf].filter(
    file => file !== undefined && file !== '',
  )
  const forwards = dns === undefined ? [] : forwardFiles((await read(dns.corefile)) ?? '')
  const uses: readonly (readonly [Resolver['usedBy'], string])[] = [
    ...[...new Set(ofPods)].map(file => ['pods', file as string] as const),
    ...(ofPods.length === 0 ? [['default', RESOLV_CONF] as const] : []),
    ...forwards.map(file => ['forward', file] as const),
  ]
  const resolvers = uses.map(async ([usedBy, file]): Promise<readonly Resolver[]> => {
    const text = await read(file)
    return text === undefined ? [] : [{ file, usedBy, nameservers: nameserversOf(text) }]
  })
  return (await Promise.all(resolvers)).flat()
}

/** The kubelet's own setting; undefined where there is no kubelet, or where it says nothing. */
async function kubeletResolvConf(read: Read): Promise<string | undefined> {
  const text = await read(KUBELET_CONFIG)
  if (text === undefined) return undefined
  try {
    const { resolvConf } = (parse(text) ?? {}) as { readonly resolvConf?: unknown }
    return typeof resolvConf === 'string' ? resolvConf : undefined
  } catch {
    // The kubelet says it better than we could.
    return undefined
  }
}

/** Files that `forward` takes its servers from. */
export const forwardFiles = (corefile: string): readonly string[] => [
  ...new Set(
    [...corefile.matchAll(/^\s*forward[ \t]+\S+[ \t]+([^{#\n]*)/gm)].flatMap(([, words = '']) =>
      words.split(/\s+/).filter(word => word.startsWith('/')),
    ),
  ),
]

function nameserversOf(text: string): readonly string[] {
  try {
    return parseResolvConf(text).nameservers.map(({ value }) => value)
  } catch (error) {
    if (error instanceof ResolvConfError) return []
    throw error
  }
}

/** libcni reads files with these endings, in the order of their names. */
async function collectNetworks(root: string, read: Read): Promise<readonly CniNetwork[]> {
  const names = await readdir(join(root, CNI_FOLDER)).catch((): string[] => [])
  const files = names.filter(name => /\.(conf|conflist|json)$/.test(name)).toSorted()
  const networks = files.map(async name => {
    const file = `${CNI_FOLDER}/${name}`
    return parseNetwork(file, (await read(file)) ?? '') ?? []
  })
  return (await Promise.all(networks)).flat()
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR'].includes(errnoCode(error) ?? '')) return undefined
    throw error
  }
}
