import { access, writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { Command, InvalidArgumentError, Option } from 'commander'
import { openSource } from '#cluster/open-source.ts'
import { clusterPool } from '#dns/cluster-pool.ts'
import { createLineLog } from '#dns/line-log.ts'
import type { ClusterAccess } from '#dns/plugin.ts'
import { registry } from '#dns/plugins/registry.ts'
import { restClientMetrics } from '#dns/rest-client-metrics.ts'
import type { DnsServer } from '#dns/server/dns-server.ts'
import { DEFAULT_FAST_PATH_WORKERS, MAX_FAST_PATH_WORKERS } from '#dns/server/fast-path-workers.ts'
import { showBuild } from '#dns/server/metrics.ts'
import type { CorefileSource } from '#dns/server/read-corefile.ts'
import { startDns } from '#dns/start.ts'
import { collectProcessMetrics } from '#linux/process-metrics.ts'
import { createLogger, type Logger, type LogLevel, logLevels } from '#runtime/log.ts'
import { keepHeapSmall } from '#runtime/memory.ts'
import { createMetrics, type Metrics } from '#runtime/metrics.ts'
import { version } from '#runtime/version.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'

type Options = {
  readonly conf?: string
  readonly 'dns.port': number
  readonly pidfile?: string
  readonly plugins?: true
  readonly quiet?: true
  readonly fastPathWorkers: number
  readonly version?: true
  readonly logLevel: LogLevel
}

/** `nodeplane dns`: the DNS server, with CoreDNS's flags. */
export function run(args: readonly string[], io: CommandIo): Promise<number> {
  keepHeapSmall()
  return runCommand<Options>(createCommand(), withTwoDashes(args), io, async options => {
    if (options.version) io.stdout.write(`nodeplane-${version}\n`)
    else if (options.plugins) io.stdout.write(pluginList())
    else return serve(options, io)
    return EXIT_OK
  })
}

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane dns')
      .description('Serves the names of a cluster, and whatever else a Corefile says.')
      .option(
        '--conf <file>',
        "the Corefile; 'stdin' reads standard input (default: Corefile, if it is there)",
      )
      .option('-p, --dns.port <port>', 'port of server blocks that name none', parsePort, 53)
      .option('--pidfile <file>', 'write the process id here')
      .option('--plugins', 'list the plugins')
      .option('--quiet', 'do not print what is served')
      .option(
        '--fast-path-workers <count>',
        'threads that answer known names over UDP, for each address and port; 0 turns them off',
        parseWorkers,
        DEFAULT_FAST_PATH_WORKERS,
      )
      .option('--version', 'print the version')
      .addOption(
        new Option('--log-level <level>', "the process's own log on stderr")
          .choices(logLevels)
          .default('info'),
      ),
    [
      'nodeplane dns --conf /etc/coredns/Corefile',
      "echo '.:1053 { forward . /etc/resolv.conf }' | nodeplane dns --conf stdin",
    ],
  )

/** CoreDNS takes its flags with one dash or two; commander would read `-conf` as five letters. */
const withTwoDashes = (args: readonly string[]): readonly string[] =>
  args.map(arg => (/^-[a-z]{2}/.test(arg) ? `-${arg}` : arg))

function parsePort(value: string): number {
  const port = Number(value)
  if (!/^[0-9]+$/.test(value) || port > 65535)
    throw new InvalidArgumentError('use a port, 1 to 65535.')
  return port
}

function parseWorkers(value: string): number {
  const workers = Number(value)
  if (!/^[0-9]+$/.test(value) || workers > MAX_FAST_PATH_WORKERS)
    throw new InvalidArgumentError(`use a number, 0 to ${MAX_FAST_PATH_WORKERS}.`)
  return workers
}

const pluginList = (): string =>
  registry.flatMap(({ name, load }) => (load === undefined ? [] : [`dns.${name}\n`])).join('')

async function serve(options: Options, io: CommandIo): Promise<number> {
  const log = await createLogger(options.logLevel, io.stderr.isTTY ?? false)
  const metrics = createMetrics()
  collectProcessMetrics(metrics)
  showBuild(metrics, { version, goversion: `node ${process.version}` })
  using signals = new ReloadSignals()
  await using server = await startDns({
    corefile: await corefileOf(options.conf, io),
    defaultPort: options['dns.port'],
    cluster: clusterAccess(log, metrics, io),
    log,
    metrics,
    lines: createLineLog(io.stdout),
    env: io.env,
    fastPathWorkers: options.fastPathWorkers,
    signal: io.signal,
  })
  signals.onReload = () => void server.reload()
  await announce(server, options, io)
  await server.ended
  return EXIT_OK
}

/**
 * SIGUSR1 reloads; SIGHUP does nothing, CoreDNS stays when its terminal goes. Held from the start on: without a listener Node
 * opens its debugger on SIGUSR1.
 */
class ReloadSignals implements Disposable {
  onReload = (): void => undefined
  readonly #listener = () => this.onReload()
  readonly #ignore = () => undefined

  constructor() {
    process.on('SIGUSR1', this.#listener)
    process.on('SIGHUP', this.#ignore)
  }

  [Symbol.dispose](): void {
    process.off('SIGUSR1', this.#listener)
    process.off('SIGHUP', this.#ignore)
  }
}

/** Where `kubernetes` blocks get objects: their own options say it, the environment where they do not. */
function clusterAccess(log: Logger, metrics: Metrics, { env }: CommandIo): ClusterAccess {
  const onRequest = restClientMetrics(metrics)
  return clusterPool({
    log,
    sourceOf: (connection, options) =>
      openSource({ ...connection, env }, { ...options, onRequest }),
  })
}

async function announce(
  { served }: DnsServer,
  { pidfile, quiet }: Options,
  { stdout }: CommandIo,
): Promise<void> {
  if (pidfile !== undefined) await writeFile(pidfile, `${process.pid}\n`)
  if (quiet) return
  const { platform, arch, version: nodeVersion } = process
  stdout.write(
    `${served.join('\n')}\nnodeplane-${version}\n${platform}/${arch}, node ${nodeVersion}\n`,
  )
}

/** What is served when there is no Corefile and none was asked for, as CoreDNS does. */
const BUILT_IN: CorefileSource = { file: '(built in)', text: '.:53 {\n  whoami\n  log\n}\n' }
const DEFAULT_FILE = 'Corefile'

async function corefileOf(conf: string | undefined, io: CommandIo): Promise<CorefileSource> {
  if (conf === 'stdin') return { file: 'stdin', text: await text(io.stdin) }
  if (conf !== undefined) return conf
  const isThere = await access(DEFAULT_FILE).then(
    () => true,
    () => false,
  )
  return isThere ? DEFAULT_FILE : BUILT_IN
}
