import { readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { Command, Option } from 'commander'
import { stringify } from 'yaml'
import { type FieldFlag, fieldFlags, parseBoolean, parseFlag } from '#proxy/config/flags.ts'
import {
  configFromFile,
  configFromFlags,
  type GivenFlags,
  type LoadedConfig,
} from '#proxy/config/load.ts'
import type { ProxyConfig } from '#proxy/config/schema.ts'
import { nodeNameFrom } from '#proxy/config/to-settings.ts'
import { initOnly } from '#proxy/init-only.ts'
import { cleanupProxy } from '#proxy/main.ts'
import { levelOf } from '#proxy/server/verbosity.ts'
import { kubernetesYaml } from '#runtime/config-file.ts'
import { ConfigError, type ConfigProblem, describeError, formatProblem } from '#runtime/error.ts'
import { createLogger, type Logger } from '#runtime/log.ts'
import { keepHeapSmall } from '#runtime/memory.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { printDifferences, printRules } from './inspect-proxy.ts'
import { proxyVersionText } from './proxy-version.ts'
import { runStandaloneProxy } from './standalone-proxy.ts'

type Options = {
  readonly version?: string | boolean
  readonly config?: string
  readonly manifests?: string
  readonly writeConfigTo?: string
  readonly cleanup?: boolean
  readonly initOnly?: boolean
  readonly dryRun?: boolean
  readonly master?: string
  readonly healthzPort?: number
  readonly metricsPort?: number
  readonly bootIdFile?: string
  readonly machineIdFile?: string
}

/** `nodeplane proxy`: kube-proxy's place, with its flags and its file; docs/proxy-config.md. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runProxyCommand(createCommand(), args, { io, isDiff: false })

/** What `nodeplane proxy` and `nodeplane proxy diff` share: the options, and the settings they make. */
export function runProxyCommand(
  command: Command,
  args: readonly string[],
  { io, isDiff }: { readonly io: CommandIo; readonly isDiff: boolean },
): Promise<number> {
  keepHeapSmall()
  return runCommand<Options>(command, withDashes(args, command), io, async options => {
    const text = proxyVersionText(options.version)
    if (text !== undefined) {
      io.stdout.write(text)
      return EXIT_OK
    }
    const given = givenFlags(command)
    const loaded = await load(options, given)
    for (const warning of [...loaded.warnings, ...optionWarnings(options)]) {
      io.stderr.write(`nodeplane: warning: ${formatProblem(warning)}\n`)
    }
    return act({ ...options, isDiff }, loaded, io)
  })
}

type Loaded = LoadedConfig & {
  /** The file, when there was one. */
  readonly file?: { readonly file: string; readonly text: string }
  /** What another text of the file means, with the same flags. @throws {ConfigError} */
  readonly read: (text: string) => ProxyConfig
}

type Task = Options & {
  /** `proxy diff`. */
  readonly isDiff: boolean
}

async function act(options: Task, { config, file, read }: Loaded, io: CommandIo): Promise<number> {
  if (options.writeConfigTo !== undefined) {
    await writeConfig(options.writeConfigTo, stringify(config, kubernetesYaml))
    return EXIT_OK
  }
  if (options.cleanup) {
    await cleanupProxy(await logger(config, io), io.signal)
    return EXIT_OK
  }
  const nodeName = nodeNameFrom(config, hostname())
  if (nodeName === '') {
    const message = 'the host has no name; give the name of its Node object'
    throw new ConfigError([{ field: '--hostname-override', message }])
  }
  const objects = {
    manifests: options.manifests,
    kubeconfig: config.clientConnection.kubeconfig || undefined,
    endpoint: options.master || undefined,
    env: io.env,
  }
  const log = await logger(config, io)
  if (options.initOnly) {
    await initOnly(config, nodeName, log)
    return EXIT_OK
  }
  const common = { config, nodeName, objects, log }
  const { signal, stdout } = io
  if (options.isDiff) return printDifferences({ ...common, stdout }, signal)
  if (options.dryRun) return printRules({ ...common, stdout }, signal)
  await runStandaloneProxy({ ...common, configFile: file && { ...file, read } }, signal)
  return EXIT_OK
}

async function load(options: Options, given: GivenFlags): Promise<Loaded> {
  const { config: path, healthzPort, metricsPort } = options
  if (path === undefined) {
    const loaded = configFromFlags(given, { healthzPort, metricsPort })
    return { ...loaded, read: () => loaded.config }
  }
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const message = `cannot be read: ${describeError(cause)}`
    throw new ConfigError([{ field: '--config', message }], { cause })
  }
  const read = (text: string) => configFromFile(text, path, given)
  return { ...read(text), file: { file: path, text }, read: text => read(text).config }
}

function optionWarnings(options: Options): readonly ConfigProblem[] {
  const warn = (field: string, value: unknown, message: string): readonly ConfigProblem[] =>
    value === undefined ? [] : [{ field, message }]
  const ports =
    options.config === undefined
      ? []
      : [
          ...warn('--healthz-port', options.healthzPort, 'ignored because of --config'),
          ...warn('--metrics-port', options.metricsPort, 'ignored because of --config'),
        ]
  return [
    ...warn('--boot-id-file', options.bootIdFile, 'has no effect'),
    ...warn('--machine-id-file', options.machineIdFile, 'has no effect'),
    ...ports,
  ]
}

async function writeConfig(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text)
  } catch (cause) {
    const message = `cannot be written: ${describeError(cause)}`
    throw new ConfigError([{ field: '--write-config-to', message }], { cause })
  }
}

const logger = ({ logging }: Loaded['config'], { stderr }: CommandIo): Promise<Logger> =>
  createLogger(levelOf(logging.verbosity), stderr.isTTY === true)

export const createCommand = (): Command =>
  withExamples(
    withProxyOptions(
      new Command('nodeplane proxy').description(
        'Programs Services into the kernel: kube-proxy, with its flags and its file.',
      ),
    ),
    [
      'nodeplane proxy --config /var/lib/kube-proxy/config.conf --hostname-override node-a',
      'nodeplane proxy --manifests ./manifests --proxy-mode nftables --dry-run',
    ],
  )

export function withProxyOptions(command: Command): Command {
  command
    .optionsGroup('Options:')
    .option('--version [raw]', 'print the version, or with raw all about it, and exit')
    .option('--config <file>', 'a KubeProxyConfiguration; most other flags are ignored then')
    .option('--manifests <dir>', 'objects from YAML and JSON files instead of an API server')
    .option('--write-config-to <file>', 'write the effective configuration, and exit')
    .option('--cleanup [bool]', 'remove all rules, and exit', parseBoolean)
    .option('--init-only [bool]', 'write the kernel settings, and exit', parseBoolean)
    .option('--dry-run [bool]', 'print what would be written, and exit', parseBoolean)
    .option('--master <url>', "the API server's address, instead of the kubeconfig's")
    .option('--healthz-port <port>', 'deprecated: see --healthz-bind-address', portNumber)
    .option('--metrics-port <port>', 'deprecated: see --metrics-bind-address', portNumber)
    .option('--boot-id-file <files>', 'no effect')
    .option('--machine-id-file <files>', 'no effect')
    .optionsGroup('Fields of a KubeProxyConfiguration (docs/proxy-config.md):')
  for (const flag of fieldFlags) command.addOption(optionOf(flag))
  return command
}

function optionOf({ name, kind, fields }: FieldFlag): Option {
  // pflag has the one-letter flag, `v`, under both forms.
  const names = name.length === 1 ? `-${name}, --${name}` : `--${name}`
  const value = kind === 'boolean' ? '[bool]' : `<${kind}>`
  return new Option(`${names} ${value}`, fields.join(', ')).argParser((text, before) =>
    parseFlag(kind, text, before),
  )
}

/** The arguments with `--cluster_cidr` as `--cluster-cidr`: kube-proxy takes both (component-base, WordSepNormalizeFunc). */
function withDashes(args: readonly string[], { options }: Command): readonly string[] {
  return args.map(arg => {
    const [name = ''] = arg.split('=', 1)
    const long = name.replaceAll('_', '-')
    return options.some(option => option.long === long) ? long + arg.slice(name.length) : arg
  })
}

function givenFlags(command: Command): GivenFlags {
  return fieldFlags.flatMap(flag => {
    const option = command.options.find(({ long }) => long === `--${flag.name}`)
    const value: unknown = command.getOptionValue(option?.attributeName() ?? flag.name)
    return value === undefined ? [] : [{ flag, value }]
  })
}

const portNumber = (text: string): unknown => parseFlag('number', text, undefined)
