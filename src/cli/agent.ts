import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { runAgent } from '#agent/agent.ts'
import type { CniInstallConfig } from '#agent/announce/install-cni.ts'
import { type AgentConfig, type KubeletDnsConfig, parseAgentConfig } from '#agent/config.ts'
import type { AskWhy } from '#agent/view/why.ts'
import { whyNoConflist } from '#cni/install/conflist.ts'
import { createLineLog } from '#dns/line-log.ts'
import { ExecError, exec } from '#linux/exec.ts'
import { parseIp } from '#net/ip.ts'
import { configFromFile, configFromFlags, type LoadedConfig } from '#proxy/config/load.ts'
import { nodeNameFrom } from '#proxy/config/to-settings.ts'
import { type ConfigWatch, refuseChange } from '#proxy/config/watch.ts'
import { ConfigError, describeError, formatProblem } from '#runtime/error.ts'
import { createLogger } from '#runtime/log.ts'
import { keepHeapSmall } from '#runtime/memory.ts'
import type { Part } from '#runtime/run-together.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'

type Options = { readonly config?: string; readonly cleanup?: boolean }

/** `nodeplane agent`: the service proxy, DNS and CNI in one process; docs/agent.md. */
export function run(args: readonly string[], io: CommandIo): Promise<number> {
  keepHeapSmall()
  return runCommand<Options>(createCommand(), args, io, async options => {
    if (options.cleanup === true) return (await import('./cleanup.ts')).runWithDefaults(io)
    const file = resolve(configFileOf(options))
    const config = parseAgentConfig(await readConfig(file, '--config'), file)
    const log = await createLogger(config.log.level, io.stderr.isTTY === true)
    const proxy = await loadProxyConfig(config)
    for (const warning of proxy?.warnings ?? []) log.warn(formatProblem(warning))
    const nodeName = nodeNameOf(config, proxy, io.env)
    log.info({ node: nodeName, config: file }, 'starting')
    await runAgent(
      {
        nodeName,
        connection: { ...config.cluster, env: io.env },
        proxy: proxy?.config,
        configWatch: proxy?.watch && watchPart({ ...proxy.watch, config: proxy.config, log }),
        dns: config.dns === false ? undefined : dnsOptions(config.dns),
        cni: config.cni === false ? undefined : cniOptions(config.cni),
        routes: config.routes === false ? undefined : config.routes,
        announce: { install: await cniInstallOf(config), readyTaint: config.readyTaint },
        snapshot: config.snapshot === false ? undefined : snapshotOptions(config.snapshot),
        http: splitAddress(config.http.address),
        why: askWhy(file),
        socket: config.socket,
        status: config.status === false ? undefined : splitAddress(config.status.address),
        log,
        lines: createLineLog(io.stdout),
        env: io.env,
      },
      io.signal,
    )
    return EXIT_OK
  })
}

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane agent')
      .description(
        'Runs the service proxy, the DNS server, the routes and the CNI plugins of a node in one process.',
      )
      .option('--config <file>', "the agent's configuration, see docs/agent.md")
      .option(
        '--cleanup',
        'remove what agents left on this node, as nodeplane cleanup does, and exit',
      ),
    ['nodeplane agent --config /etc/nodeplane/agent.yaml', 'nodeplane agent --cleanup'],
  )

function configFileOf({ config }: Options): string {
  if (config !== undefined) return config
  throw new ConfigError([{ field: '--config', message: 'is missing: the agent needs one' }])
}

export type LoadedProxy = LoadedConfig & {
  /** How to follow the file, when there was one. */
  readonly watch?: Omit<ConfigWatch, 'config' | 'log'>
}

export async function loadProxyConfig({ proxy }: AgentConfig): Promise<LoadedProxy | undefined> {
  if (proxy === false) return undefined
  const { config: file } = proxy
  if (file === undefined) return configFromFlags([])
  const text = await readConfig(file, 'proxy.config')
  const read = (text: string) => configFromFile(text, file)
  return { ...read(text), watch: { file, text, read: text => read(text).config } }
}

/** A process of its own: a walk reads much, and the node's packets and names must not wait for it. */
const askWhy =
  (config: string): AskWhy =>
  async (target, signal) => {
    const args = [...process.execArgv, process.argv[1] ?? '', 'why', target, '--config', config]
    try {
      return (await exec(process.execPath, args, { signal, maxOutputBytes: 1024 * 1024 })).stdout
    } catch (error) {
      // 1: a cause was found; else what it says of itself.
      if (error instanceof ExecError && error.exitCode !== undefined)
        return error.stdout || error.stderr
      throw error
    }
  }

const watchPart =
  (watch: ConfigWatch): Part =>
  signal =>
    refuseChange(watch, signal)

export async function readConfig(path: string, field: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const message = `cannot be read: ${describeError(cause)}`
    throw new ConfigError([{ file: path, field, message }])
  }
}

/** The agent's own setting, then the KubeProxyConfiguration's, then the downward API's, then the host's name. */
export function nodeNameOf(
  { nodeName }: AgentConfig,
  proxy: LoadedConfig | undefined,
  env: Readonly<NodeJS.ProcessEnv>,
): string {
  const fallback = env['NODE_NAME'] ?? hostname()
  const name = nodeName ?? (proxy === undefined ? fallback : nodeNameFrom(proxy.config, fallback))
  if (name !== '') return name.toLowerCase()
  const message = 'the host has no name; give the name of its Node object'
  throw new ConfigError([{ field: 'nodeName', message }])
}

const dnsOptions = ({ podsPolicy, nodeLocal, ...dns }: Exclude<AgentConfig['dns'], false>) => ({
  ...dns,
  // The schema has checked them.
  nodeLocal: (nodeLocal?.addresses ?? []).flatMap(text => parseIp(text) ?? []),
  podsPolicy: podsPolicy && kubeletDns(podsPolicy),
})

const cniOptions = ({
  socket,
  stateDir,
  journalDir,
  podDNS,
  install,
  // Who has installed the executables is their agent, and comes back.
  callsWait = install !== undefined,
}: Exclude<AgentConfig['cni'], false>) => ({
  socket,
  stateDir,
  journalDir,
  podDns: podDNS && kubeletDns(podDNS),
  callsWait,
})

async function cniInstallOf({ cni }: AgentConfig): Promise<CniInstallConfig | undefined> {
  if (cni === false || cni.install === undefined) return undefined
  const { conflist, ...install } = cni.install
  const field = 'cni.install.conflist'
  const text =
    typeof conflist === 'string'
      ? await readConfig(conflist, field)
      : conflist && `${JSON.stringify(conflist, undefined, 2)}\n`
  const message = text === undefined ? undefined : whyNoConflist(text)
  if (message === undefined) return { ...install, conflist: text }
  throw new ConfigError([
    { ...(typeof conflist === 'string' ? { file: conflist } : {}), field, message },
  ])
}

const snapshotOptions = (snapshot: Exclude<AgentConfig['snapshot'], false>) => ({
  path: snapshot.file,
  maxAgeMs: snapshot.maxAge,
  waitMs: snapshot.wait,
  intervalMs: snapshot.interval,
  maxOctets: snapshot.maxMegabytes * 2 ** 20,
})

export const kubeletDns = ({ clusterDNS, clusterDomain, resolvConf }: KubeletDnsConfig) => ({
  // The schema has checked them.
  clusterDns: clusterDNS.flatMap(text => parseIp(text) ?? []),
  clusterDomain,
  resolvConf,
})

/** The schema has checked that there is a port. */
function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '')
  return { host, port: Number(address.slice(colon + 1)) }
}
