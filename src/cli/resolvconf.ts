import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { Command, InvalidArgumentError } from 'commander'
import { describeOrigin, type Entry } from '#dns/policy/entry.ts'
import { checkNodeResolver } from '#dns/policy/limits.ts'
import { type NodeDns, type PodDns, podDns } from '#dns/policy/pod-dns.ts'
import {
  type NodeResolver,
  parseResolvConf,
  ResolvConfError,
  renderResolvConf,
} from '#dns/policy/resolv-conf.ts'
import { validatePodDns } from '#dns/policy/validate.ts'
import { type IpAddress, parseIpLenient } from '#net/ip.ts'
import { ConfigError, describeError } from '#runtime/error.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { keyFromName, type LocatedPod, podFromFile } from './pod-file.ts'

type Options = {
  readonly filename?: string
  readonly manifests?: string
  readonly kubeconfig?: string
  readonly clusterDns: readonly IpAddress[]
  readonly clusterDomain: string
  readonly resolvConf: string
  readonly nodeIp: readonly IpAddress[]
  readonly explain?: true
}

/** `nodeplane resolvconf`: a pod's resolv.conf on stdout and nothing else there; docs/dns-policy.md. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async (options, [name]) => {
    const located = await findPod(options, name, io)
    refuseInvalid(located)
    await print(located, options, io)
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane resolvconf')
      .description("Prints the resolv.conf that the kubelet gives a pod, from the pod's dnsPolicy.")
      .argument('[pod]', 'NAMESPACE/NAME of the pod; not needed for a file that holds one')
      .option('-f, --filename <file>', 'YAML or JSON with the pod; - reads stdin')
      .option('--manifests <dir>', 'a directory of YAML and JSON files with the pod')
      .option('--kubeconfig <file>', 'the cluster with the pod')
      .option('--cluster-dns <ips>', "the kubelet's clusterDNS, separated by commas", addresses, [])
      .option('--cluster-domain <name>', "the kubelet's clusterDomain", '')
      .option(
        '--resolv-conf <file>',
        "the kubelet's resolvConf; '' is its empty setting",
        '/etc/resolv.conf',
      )
      .option('--node-ip <ips>', "the node's addresses, for an empty --resolv-conf", addresses, [])
      .option('--explain', 'say on stderr where each entry came from'),
    [
      'nodeplane resolvconf -f pod.yaml --cluster-dns 10.96.0.10 --cluster-domain cluster.local',
      'nodeplane resolvconf default/web --kubeconfig /etc/kubernetes/kubelet.conf --cluster-dns 10.96.0.10 --explain',
    ],
  )

async function findPod(
  { filename, manifests, kubeconfig }: Options,
  name: string | undefined,
  io: CommandIo,
): Promise<LocatedPod> {
  const isStore = manifests !== undefined || kubeconfig !== undefined
  if (filename !== undefined && isStore) {
    throw new ConfigError([
      {
        field: '--filename',
        message: 'excludes --manifests and --kubeconfig: the pod comes from one place',
      },
    ])
  }
  if (filename === '-') return podFromFile(await text(io.stdin), 'stdin', name)
  if (filename !== undefined) {
    return podFromFile(await readText(filename, '--filename'), filename, name)
  }
  if (!isStore || name === undefined) {
    const message =
      'missing: the file with the pod, or NAMESPACE/NAME with --manifests or --kubeconfig'
    throw new ConfigError([{ field: '--filename', message }])
  }
  const { podFromStore } = await import('./pod-from-store.ts')
  const objects = { manifests, kubeconfig, env: io.env }
  return { pod: await podFromStore(objects, keyFromName(name), io), locate: () => ({}) }
}

function refuseInvalid({ pod, locate }: LocatedPod): void {
  const problems = validatePodDns(pod)
  if (problems.length === 0) return
  throw new ConfigError(problems.map(problem => ({ ...locate(problem.field ?? ''), ...problem })))
}

async function print(
  { pod, locate }: LocatedPod,
  options: Options,
  { stdout, stderr }: CommandIo,
): Promise<void> {
  const { clusterDomain, resolvConf } = options
  const file = resolvConf === '' ? '' : await readText(resolvConf, '--resolv-conf')
  const resolver = resolvConf === '' ? undefined : nodeResolver(file, resolvConf)
  const node: NodeDns = {
    clusterDns: options.clusterDns,
    clusterDomain,
    resolver,
    nodeIPs: options.nodeIp,
  }
  const result = podDns(pod, node)
  for (const line of warnings(result, node, resolvConf)) {
    stderr.write(`nodeplane: warning: ${line}\n`)
  }
  const rendered = renderResolvConf(result)
  if (rendered === '') {
    stderr.write(`nodeplane: warning: nothing is configured; the runtime copies the node's file\n`)
  }
  if (options.explain) {
    const described = ({ origin }: Entry): string => {
      const place = origin.from === 'pod' ? formatPlace(locate(origin.field)) : ''
      return `${describeOrigin(origin, resolvConf)}${place}`
    }
    stderr.write(explain(result, described))
  }
  stdout.write(rendered === '' ? file : rendered)
}

function* warnings(result: PodDns, { resolver, clusterDomain }: NodeDns, file: string) {
  const check = resolver && checkNodeResolver(resolver, clusterDomain)
  if (check !== undefined) yield `CheckLimitsForResolvConf (node): ${file}: ${check}`
  for (const { reason, on, message } of result.warnings)
    yield `${reason} (${on.join(', ')}): ${message}`
}

function explain(
  { base, nameservers, searches, options }: PodDns,
  describe: (entry: Entry) => string,
): string {
  const lines = (keyword: string, entries: readonly Entry[]) =>
    entries.map(entry => `${keyword} ${entry.value}: ${describe(entry)}\n`)
  return [
    `${base.why}\n`,
    ...lines('search', searches),
    ...lines('nameserver', nameservers),
    ...lines('option', options),
  ].join('')
}

const formatPlace = ({ file, line }: ReturnType<LocatedPod['locate']>): string =>
  file === undefined ? '' : `, ${[file, line].filter(part => part !== undefined).join(':')}`

/** The kubelet gives no pod its DNS while it cannot read this file, so nor do we. */
function nodeResolver(content: string, file: string): NodeResolver {
  try {
    return parseResolvConf(content)
  } catch (error) {
    if (!(error instanceof ResolvConfError)) throw error
    throw new ConfigError([{ file, line: error.line, message: error.message }], { cause: error })
  }
}

async function readText(file: string, field: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new ConfigError([{ field, message: `cannot be read: ${describeError(cause)}` }], {
      cause,
    })
  }
}

/** The kubelet skips an address it cannot read and logs it; here it is a mistake of the command line. */
function addresses(text: string): readonly IpAddress[] {
  return text
    .split(',')
    .filter(part => part !== '')
    .map(part => {
      const ip = parseIpLenient(part.trim())
      if (ip === undefined) throw new InvalidArgumentError(`'${part}' is not an IP address.`)
      return ip
    })
}
