import { readFile } from 'node:fs/promises'
import { Command, InvalidArgumentError } from 'commander'
import { builtExecutables } from '#cni/install/built.ts'
import { renderConflist, whyNoConflist, withRanges } from '#cni/install/conflist.ts'
import { install } from '#cni/install/install.ts'
import { InstallError } from '#cni/install/manifest.ts'
import { pluginNames } from '#cni/plugins.ts'
import { type IpPrefix, networkOf, parsePrefix } from '#net/prefix.ts'
import { systemClock } from '#runtime/clock.ts'
import { ConfigError, describeError } from '#runtime/error.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { podCidrsOfNode } from './node-pod-cidrs.ts'

type Options = {
  readonly binDir: string
  readonly confDir: string
  readonly name: string
  readonly conflist?: string
  readonly podCidr?: readonly IpPrefix[]
  readonly node?: string
  readonly kubeconfig?: string
  readonly manifests?: string
  readonly mtu?: number
  readonly from?: string
  readonly replace?: true
  readonly readyUrl: string
  readonly readyTimeout: number
  /** False with --no-wait. */
  readonly wait: boolean
}

/** Pause between looks at the agent. */
const POLL_MS = 500

/** `nodeplane cni install`: executables and configuration for the container runtime; docs/cni-install.md. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async options => {
    await install({
      binDir: options.binDir,
      confDir: options.confDir,
      from: options.from ?? builtExecutables(),
      plugins: pluginNames,
      conflist: { name: options.name, text: await conflistOf(options, io) },
      replace: options.replace ?? false,
      untilReady: () => (options.wait ? untilReady(options, io) : Promise.resolve()),
      say: line => io.stdout.write(`${line}\n`),
    })
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane cni install')
      .description(
        'Writes the plugin executables, and, when the agent is ready, the network configuration.',
      )
      .option('--bin-dir <dir>', 'where the runtime looks for plugins', '/opt/cni/bin')
      .option('--conf-dir <dir>', 'where it looks for configurations', '/etc/cni/net.d')
      .option('--name <file>', "the configuration's file name", fileName, '10-nodeplane.conflist')
      .option('--conflist <file>', 'the configuration to write')
      .option('--pod-cidr <cidrs>', 'or make one of these podCIDRs, separated by commas', prefixes)
      .option(
        '--node <name>',
        'take the podCIDRs from this Node; fills the ranges that --conflist lacks',
      )
      .option('--kubeconfig <file>', 'for --node: the cluster (default: the service account)')
      .option('--manifests <dir>', 'for --node: or a directory of manifests')
      .option('--mtu <bytes>', 'without --conflist: the MTU of pods and bridge', mtu)
      .option('--from <dir>', 'the folder of the executables (default: those of this build)')
      .option('--replace', 'replace files of others that have the same names')
      .option('--ready-url <url>', 'the agent must be ready here', 'http://127.0.0.1:9154/readyz')
      .option('--ready-timeout <seconds>', 'and within this time', seconds, 120)
      .option('--no-wait', 'do not ask whether the agent is ready')
      .allowExcessArguments(false),
    [
      'nodeplane cni install --pod-cidr 10.244.1.0/24,fd00:244:1::/64 --mtu 1450',
      'nodeplane cni install --conflist ./10-pods.conflist --no-wait',
    ],
  )

async function conflistOf(options: Options, io: CommandIo): Promise<string> {
  const { conflist, podCidr, node, mtu } = options
  const sources = [conflist, podCidr, node].filter(given => given !== undefined).length
  if (sources === 0 || (podCidr !== undefined && sources > 1)) {
    const message = 'give the configuration by --conflist, or --pod-cidr or --node to make one'
    throw new ConfigError([{ field: '--conflist', message }])
  }
  const text = conflist === undefined ? undefined : await readConflist(conflist)
  const podCidrs =
    node === undefined ? (podCidr ?? []) : await podCidrsOfNode(nodeOptions(node, options, io), io)
  if (text !== undefined) return withRanges(text, podCidrs)
  return renderConflist({ podCidrs, mtu, plugins: pluginNames })
}

const nodeOptions = (
  nodeName: string,
  { kubeconfig, manifests, readyTimeout }: Options,
  { env }: CommandIo,
) => ({
  nodeName,
  connection: { kubeconfig, manifests, env },
  timeoutMs: readyTimeout * 1000,
})

async function readConflist(file: string): Promise<string> {
  try {
    const text = await readFile(file, 'utf8')
    const message = whyNoConflist(text)
    if (message === undefined) return text
    throw new ConfigError([{ file, message }])
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError([{ file, message: `cannot be read: ${describeError(error)}` }])
  }
}

/** @throws {InstallError} with what the agent said last. */
async function untilReady(
  { readyUrl, readyTimeout }: Options,
  { signal, stdout }: CommandIo,
): Promise<void> {
  const end = systemClock.monotonic() + readyTimeout * 1000
  let last = ''
  for (;;) {
    const reason = await whyNotReady(readyUrl, signal)
    if (reason === undefined) return
    if (reason !== last) stdout.write(`waiting for the agent: ${reason}\n`)
    last = reason
    if (systemClock.monotonic() >= end) {
      throw new InstallError(`no configuration is written: the agent is not ready: ${reason}`)
    }
    await systemClock.sleep(POLL_MS, signal)
  }
}

async function whyNotReady(url: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const answer = await fetch(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(5000)]),
    })
    const body = await answer.text()
    return answer.ok ? undefined : body.trim().replaceAll('\n', '; ')
  } catch (error) {
    signal.throwIfAborted()
    return `${url}: ${describeError(error)}`
  }
}

function prefixes(text: string): readonly IpPrefix[] {
  return text.split(',').map(each => {
    const prefix = parsePrefix(each)
    if (prefix !== undefined && networkOf(prefix).address === prefix.address) return prefix
    throw new InvalidArgumentError(`'${each}' is not NETWORK/LENGTH`)
  })
}

function mtu(text: string): number {
  if (/^[0-9]{3,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw new InvalidArgumentError('must be 100 to 65535')
}

function seconds(text: string): number {
  if (/^[0-9]{1,5}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('must be a whole number')
}

function fileName(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]*\.conflist$/.test(text)) return text
  throw new InvalidArgumentError('must be a file name that ends in .conflist')
}
