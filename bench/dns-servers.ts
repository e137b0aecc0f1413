import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dig } from '../test/helper/dig.ts'
import { eventually } from '../test/helper/eventually.ts'

/** Outside name number `at`. */
export const outsideNameOf = (at: number): string => `host-${at}.outside.test`

/** Name number `at` of the cluster, and its address. */
export const nameOf = (at: number): string => `service-${at}.shop.svc.cluster.local`
const addressOf = (at: number): string => `10.96.${at >> 8}.${at & 255}`

/** Where a server of the comparison is, and what it has: `names` of the cluster; the upstream has as many outside ones. */
export type Place = {
  readonly folder: string
  readonly port: number
  readonly upstreamPort: number
  readonly names: number
}

/** How a server of the comparison is set up; gives its command line. */
export type Setup = (place: Place) => Promise<readonly string[]>

const all = (names: number, line: (at: number) => string): string =>
  Array.from({ length: names }, (_, at) => line(at)).join('\n')

const manifest = (at: number): string => `---
apiVersion: v1
kind: Service
metadata: { name: service-${at}, namespace: shop }
spec: { clusterIP: ${addressOf(at)}, clusterIPs: [${addressOf(at)}], ports: [{ port: 80 }] }`

/** @param nodeplane the built program. */
const ours =
  (nodeplane: string, workers: number): Setup =>
  async ({ folder, port, upstreamPort, names }) => {
    await mkdir(join(folder, 'manifests'))
    await writeFile(join(folder, 'manifests/services.yaml'), all(names, manifest))
    const conf = join(folder, 'Corefile')
    const kubernetes = `kubernetes cluster.local {\n    manifests ${folder}/manifests\n  }`
    await writeFile(
      conf,
      `.:${port} {\n  bind 127.0.0.1\n  errors\n  ${kubernetes}\n  cache 30 {
    disable success cluster.local
    disable denial cluster.local\n  }\n  loadbalance\n  forward . 127.0.0.1:${upstreamPort}\n}\n`,
    )
    return [nodeplane, 'dns', '--conf', conf, '--fast-path-workers', `${workers}`]
  }

const dnsmasq: Setup = async ({ folder, port, upstreamPort, names }) => {
  const hosts = join(folder, 'hosts')
  await writeFile(
    hosts,
    all(names, at => `${addressOf(at)} ${nameOf(at)}`),
  )
  const options = ['-k', '-C', '/dev/null', '-h', '-R', `-H${hosts}`, `-p${port}`, '--pid-file']
  return [
    'dnsmasq',
    ...options,
    '-a127.0.0.1',
    '--bind-interfaces',
    '-uroot',
    '-T30',
    `-S127.0.0.1#${upstreamPort}`,
    '-c10000',
  ]
}

const unbound: Setup = async ({ folder, port, upstreamPort, names }) => {
  const conf = join(folder, 'unbound.conf')
  const data = all(names, at => `  local-data: "${nameOf(at)}. 30 IN A ${addressOf(at)}"`)
  const server = [
    'server:',
    `  interface: 127.0.0.1@${port}`,
    '  num-threads: 1',
    '  do-daemonize: no',
    '  use-syslog: no',
    '  username: ""',
    '  chroot: ""',
    '  pidfile: ""',
    '  module-config: "iterator"',
    '  local-zone: "cluster.local." static',
    // The upstream is on this machine, and `test` is a name that unbound denies by itself.
    '  do-not-query-localhost: no',
    '  local-zone: "test." nodefault',
  ]
  const forward = `forward-zone:\n  name: "."\n  forward-addr: 127.0.0.1@${upstreamPort}`
  await writeFile(conf, `${server.join('\n')}\n${data}\n${forward}\n`)
  return ['unbound', '-d', '-c', conf]
}

const knot: Setup = ({ folder, port, names }) =>
  knotZone({
    folder,
    port,
    zone: 'cluster.local',
    lines: all(names, at => `service-${at}.shop.svc A ${addressOf(at)}`),
  })

/** A CoreDNS that is there already: Debian has none. Its names come from a hosts file, which is quicker than its own `kubernetes`. */
const coredns =
  (program: string): Setup =>
  async ({ folder, port, upstreamPort, names }) => {
    const hosts = join(folder, 'hosts')
    await writeFile(
      hosts,
      all(names, at => `${addressOf(at)} ${nameOf(at)}`),
    )
    const conf = join(folder, 'Corefile')
    const block = `bind 127.0.0.1\n  hosts ${hosts} cluster.local {\n    ttl 30\n  }`
    await writeFile(
      conf,
      `.:${port} {\n  ${block}\n  cache 30\n  forward . 127.0.0.1:${upstreamPort}\n}\n`,
    )
    return ['env', 'GOMAXPROCS=1', program, '-conf', conf]
  }

/** The server that has the outside names. */
export const upstream: Setup = ({ folder, upstreamPort, names }) =>
  knotZone({
    folder,
    port: upstreamPort,
    zone: 'outside.test',
    lines: all(names, at => `host-${at} A ${addressOf(at)}`),
  })

async function knotZone({
  folder,
  port,
  zone,
  lines,
}: {
  readonly folder: string
  readonly port: number
  readonly zone: string
  readonly lines: string
}): Promise<readonly string[]> {
  const conf = join(folder, 'knot.conf')
  const head =
    '$TTL 30\n@ SOA ns hostmaster 1 7200 1800 86400 30\n@ NS ns\nns A 127.0.0.1\n* A 192.0.2.1\n'
  await writeFile(join(folder, `${zone}.zone`), `${head}${lines}\n`)
  await writeFile(
    conf,
    `server:\n  listen: 127.0.0.1@${port}\n  udp-workers: 1\n  tcp-workers: 1
  background-workers: 1\n  rundir: ${folder}\ndatabase:\n  storage: ${folder}
zone:\n  - domain: ${zone}\n    storage: ${folder}\n`,
  )
  return ['knotd', '-c', conf]
}

/** A server of the comparison. */
export type Contender = {
  readonly title: string
  readonly setup: Setup
  /** Does it ask the upstream for names that it has not? */
  readonly forwards: boolean
}

/** The servers that are compared, ours first. */
export const contenders = (nodeplane: string): readonly Contender[] => [
  { title: 'nodeplane, fast path', setup: ours(nodeplane, 1), forwards: true },
  { title: 'nodeplane, dgram', setup: ours(nodeplane, 0), forwards: true },
  { title: 'dnsmasq', setup: dnsmasq, forwards: true },
  { title: 'unbound', setup: unbound, forwards: true },
  { title: 'knot', setup: knot, forwards: false },
  ...(process.env['COREDNS'] === undefined
    ? []
    : [{ title: 'coredns', setup: coredns(process.env['COREDNS']), forwards: true }]),
]

/** Clock ticks in a second (getconf CLK_TCK), which Linux fixes for programs. */
const TICKS_PER_SECOND = 100

/** A server that answers, on one core. */
export class RunningServer implements AsyncDisposable {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Waits until it has an address for `name`. @param core of the processor. @param limitMs how long it may load. */
  static async start(
    command: readonly string[],
    {
      port,
      name,
      core = 0,
      limitMs = 10_000,
    }: {
      readonly port: number
      readonly name: string
      readonly core?: number
      readonly limitMs?: number
    },
  ): Promise<RunningServer> {
    const child = spawn('taskset', ['-c', `${core}`, ...command], { stdio: 'ignore' })
    const server = new RunningServer(child)
    const isAnswered = async () => {
      if (child.exitCode !== null) throw new Error(`${command[0]} ended`)
      return (await dig(`@127.0.0.1 -p ${port} ${name}`)).answers.length > 0
    }
    await eventually('an answer', isAnswered, limitMs)
    return server
  }

  /** Seconds of CPU so far, all threads. */
  async cpuSeconds(): Promise<number> {
    const stat = await readFile(`/proc/${this.#child.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  }

  /** Milliseconds that its threads wanted to run and had no core, so far (proc_pid_schedstat(5): the second number). */
  async waitedMs(): Promise<number> {
    const tasks = `/proc/${this.#child.pid}/task`
    const waited = (await readdir(tasks)).map(async task => {
      const [, ns] = (await readFile(join(tasks, task, 'schedstat'), 'utf8')).split(' ')
      return Number(ns) / 1e6
    })
    return (await Promise.all(waited)).reduce((sum, ms) => sum + ms, 0)
  }

  async residentMiB(): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await eventually('its end', () => this.#child.signalCode !== null)
  }
}
