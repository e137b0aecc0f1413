import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dig } from '../test/helper/dig.ts'
import { eventually } from '../test/helper/eventually.ts'

/** Name number `at` of the cluster, and its address. */
export const nameOf = (at: number): string => `service-${at}.shop.svc.cluster.local`
const addressOf = (at: number): string => `10.96.${at >> 8}.${at & 255}`

/** How a server of the comparison is set up in a folder; gives its command line. */
export type Setup = (folder: string, port: number, names: number) => Promise<readonly string[]>

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
  async (folder, port, names) => {
    await mkdir(join(folder, 'manifests'))
    await writeFile(join(folder, 'manifests/services.yaml'), all(names, manifest))
    const conf = join(folder, 'Corefile')
    const kubernetes = `kubernetes cluster.local {\n    manifests ${folder}/manifests\n  }`
    await writeFile(
      conf,
      `.:${port} {\n  bind 127.0.0.1\n  errors\n  ${kubernetes}\n  cache 30 {
    disable success cluster.local
    disable denial cluster.local\n  }\n  loadbalance\n}\n`,
    )
    return [nodeplane, 'dns', '--conf', conf, '--fast-path-workers', `${workers}`]
  }

const dnsmasq: Setup = async (folder, port, names) => {
  const hosts = join(folder, 'hosts')
  await writeFile(
    hosts,
    all(names, at => `${addressOf(at)} ${nameOf(at)}`),
  )
  const options = ['-k', '-C', '/dev/null', '-h', '-R', `-H${hosts}`, `-p${port}`, '--pid-file']
  return ['dnsmasq', ...options, '-a127.0.0.1', '--bind-interfaces', '-uroot', '-T30']
}

const unbound: Setup = async (folder, port, names) => {
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
  ]
  await writeFile(conf, `${server.join('\n')}\n${data}\n`)
  return ['unbound', '-d', '-c', conf]
}

const knot: Setup = async (folder, port, names) => {
  const conf = join(folder, 'knot.conf')
  const head = '$TTL 30\n@ SOA ns hostmaster 1 7200 1800 86400 30\n@ NS ns\nns A 127.0.0.1\n'
  await writeFile(
    join(folder, 'cluster.local.zone'),
    `${head}${all(names, at => `service-${at}.shop.svc A ${addressOf(at)}`)}\n`,
  )
  await writeFile(
    conf,
    `server:\n  listen: 127.0.0.1@${port}\n  udp-workers: 1\n  tcp-workers: 1
  background-workers: 1\n  rundir: ${folder}\ndatabase:\n  storage: ${folder}
zone:\n  - domain: cluster.local\n    storage: ${folder}\n`,
  )
  return ['knotd', '-c', conf]
}

/** The servers that are compared, ours first. */
export const setups = (nodeplane: string): Readonly<Record<string, Setup>> => ({
  'nodeplane, fast path': ours(nodeplane, 1),
  'nodeplane, dgram': ours(nodeplane, 0),
  dnsmasq,
  unbound,
  knot,
})

/** Clock ticks in a second (getconf CLK_TCK), which Linux fixes for programs. */
const TICKS_PER_SECOND = 100

/** A server that answers, on one core. */
export class RunningServer implements AsyncDisposable {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(command: readonly string[], port: number): Promise<RunningServer> {
    const child = spawn('taskset', ['-c', '0', ...command], { stdio: 'ignore' })
    const server = new RunningServer(child)
    await eventually('an answer', async () => {
      if (child.exitCode !== null) throw new Error(`${command[0]} ended`)
      return (await dig(`@127.0.0.1 -p ${port} ${nameOf(1)}`)).answers.length === 1
    })
    return server
  }

  /** Seconds of CPU so far, all threads. */
  async cpuSeconds(): Promise<number> {
    const stat = await readFile(`/proc/${this.#child.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
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
