import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { type AgentConfig, parseAgentConfig } from '#agent/config.ts'
import { AgentUnreachableError, DEFAULT_AGENT_SOCKET } from '#agent/view/client.ts'
import {
  type ClusterSeen,
  clusterOfAgent,
  clusterOfSource,
} from '#agent/why/collect/cluster-view.ts'
import type { Surroundings } from '#agent/why/collect/surroundings.ts'
import type { Connection } from '#cluster/open-source.ts'
import type { KubeletDns } from '#dns/policy/kubelet-dns.ts'
import { listNamespaces } from '#linux/namespace-list.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { prepare } from '#proxy/prepare.ts'
import type { ProxySettings } from '#proxy/settings.ts'
import { createLogger, type Logger } from '#runtime/log.ts'
import { kubeletDns, loadProxyConfig, nodeNameOf, readConfig } from './agent.ts'
import type { CommandIo } from './command-line.ts'

export const DEFAULT_AGENT_CONFIG = '/etc/nodeplane/agent.yaml'

export type WhySources = {
  readonly config?: string
  readonly socket?: string
  readonly manifests?: string
  readonly kubeconfig?: string
  readonly clusterDns: readonly IpAddress[]
  readonly clusterDomain?: string
  readonly resolvConf?: string
  readonly cniConfDir: string
}

/** A command with the options of {@link WhySources}. */
export const withWhySources = (command: Command): Command =>
  command
    .option('--config <file>', `the agent's configuration (default: ${DEFAULT_AGENT_CONFIG})`)
    .option('--socket <path>', 'where the agent tells about this node')
    .option('--manifests <dir>', 'objects from a directory of manifests, not from the agent')
    .option('--kubeconfig <file>', 'objects from the API server, not from the agent')
    .option('--cluster-dns <ips>', "the kubelet's clusterDNS, separated by commas", addresses, [])
    .option('--cluster-domain <name>', "the kubelet's clusterDomain")
    .option('--resolv-conf <file>', "the kubelet's resolvConf")
    .option('--cni-conf-dir <dir>', 'configurations of pod networks', '/etc/cni/net.d')

function addresses(text: string): readonly IpAddress[] {
  return text.split(',').map(part => {
    const ip = parseIp(part.trim())
    if (ip === undefined) throw new InvalidArgumentError(`'${part}' is not an IP address.`)
    return ip
  })
}

/**
 * Everything that `nodeplane why` looks at: the agent's configuration, what the agent knows of the cluster (or the API server or
 * manifests that are named instead), and the kernel.
 * @throws {ConfigError} something that is named cannot be used; {AgentUnreachableError} there is nobody to ask.
 */
export async function surroundingsFor(sources: WhySources, io: CommandIo): Promise<Surroundings> {
  const log = await createLogger('error', io.stderr.isTTY === true)
  const config = await agentConfig(sources)
  const seen = await clusterSeen(sources, config, { io, log })
  const proxy = config && (await loadProxyConfig(config))
  const nodeName = seen.nodeName ?? (config ? nodeNameOf(config, proxy, io.env) : ownName(io))
  const settings = proxy && (await settingsOf(proxy.config, nodeName, seen, log, io.signal))
  return {
    ...seen,
    nodeName,
    settings,
    ownsRoutes: config !== undefined && config.routes !== false,
    kubelet: kubeletOf(sources, config),
    corefile: config === undefined || config.dns === false ? undefined : config.dns.corefile,
    cniConfDir: sources.cniConfDir,
    env: io.env,
    log,
    signal: io.signal,
    namespaces: listNamespaces(),
  }
}

/** The file that is named, else the usual one if it is there. */
async function agentConfig({ config }: WhySources): Promise<AgentConfig | undefined> {
  if (config === undefined && !existsSync(DEFAULT_AGENT_CONFIG)) return undefined
  const file = resolve(config ?? DEFAULT_AGENT_CONFIG)
  return parseAgentConfig(await readConfig(file, '--config'), file)
}

/** An agent that does not run is no obstacle where it is known whom it would have asked. */
async function clusterSeen(
  { socket, manifests, kubeconfig }: WhySources,
  config: AgentConfig | undefined,
  { io, log }: { io: CommandIo; log: Logger },
): Promise<ClusterSeen> {
  const read = (connection: Connection) => clusterOfSource(connection, log, io.signal)
  const { env } = io
  if (manifests !== undefined || kubeconfig !== undefined)
    return read({ manifests, kubeconfig, env })
  try {
    return await clusterOfAgent(socket ?? config?.socket ?? DEFAULT_AGENT_SOCKET)
  } catch (error) {
    if (!(error instanceof AgentUnreachableError) || config === undefined) throw error
    return read({ ...config.cluster, env })
  }
}

async function settingsOf(
  config: Parameters<typeof prepare>[0]['config'],
  nodeName: string,
  { store }: ClusterSeen,
  log: Logger,
  signal: AbortSignal,
): Promise<ProxySettings> {
  return (await prepare({ config, nodeName, store, nodeWaitMs: 0, log }, signal)).settings
}

const ownName = ({ env }: CommandIo): string => (env['NODE_NAME'] ?? hostname()).toLowerCase()

/** The command line, then what the agent was told of the kubelet. */
function kubeletOf(sources: WhySources, config: AgentConfig | undefined): KubeletDns {
  const { dns = false, cni = false } = config ?? {}
  const told = (dns && dns.podsPolicy) || (cni && cni.podDNS) || undefined
  const kubelet = told && kubeletDns(told)
  const { clusterDns, clusterDomain, resolvConf } = sources
  return {
    clusterDns: clusterDns.length > 0 ? clusterDns : (kubelet?.clusterDns ?? []),
    clusterDomain: clusterDomain ?? (kubelet?.clusterDomain || 'cluster.local'),
    resolvConf: resolvConf ?? kubelet?.resolvConf ?? '/etc/resolv.conf',
  }
}
