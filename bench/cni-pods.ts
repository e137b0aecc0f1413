/**
 * What wiring a pod costs as a chain: ADD and DEL of bridge with host-local, both families, bare, with ipMasq, and with ipMasq and a
 * host port, on a node that has no other pods and on one that has 110. Our executables with an agent beside the
 * reference's, in turns, so that the machine's noise hits both alike: wall time of the caller, and CPU time of the
 * executables, all they start, and the agent. Then what a veth path carries. Needs dist/ (scripts/build) and Debian's
 * containernetworking-plugins.
 *
 * scripts/in-namespace.sh node bench/cni-pods.ts [ROUNDS]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CniAgent } from '../test/helper/cni-agent.ts'
import { formatMs, quantile } from './measure.ts'
import { runProgram } from './run-program.ts'

const rounds = Number(process.argv[2] ?? 20)
const AT_ONCE = 20
/** As many as a kubelet starts by default. */
const NEIGHBOURS = 110
const folder = mkdtempSync(join(tmpdir(), 'cni-pods-'))
const dist = join(import.meta.dirname, '../dist')

type Way = { readonly title: string; readonly path: string; readonly octet: number }
const ways: readonly Way[] = [
  { title: 'agent', path: join(dist, 'cni'), octet: 100 },
  { title: 'reference', path: '/usr/lib/cni', octet: 120 },
]

type Shape = { readonly title: string; readonly ipMasq: boolean; readonly portmap: boolean }
const shapes: readonly Shape[] = [
  { title: 'bridge', ipMasq: false, portmap: false },
  { title: 'bridge, ipMasq', ipMasq: true, portmap: false },
  { title: 'bridge, ipMasq, portmap', ipMasq: true, portmap: true },
]

/** CPU time in ms of a process and the children it has waited for (proc_pid_stat(5), clock ticks of 10 ms). */
function ticksMs(pid: number | 'self'): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0) * 10
}

/** CPU time of everything that works on calls: children of this process, and the agent with its own. */
function cpuMs(agent: CniAgent): number {
  const { systemCPUTime, userCPUTime } = process.resourceUsage()
  const own = (systemCPUTime + userCPUTime) / 1000
  return ticksMs('self') - own + ticksMs(agent.pid)
}

type Pod = { readonly name: string; readonly number: number }
const results = new Map<string, object>()

async function call(way: Way, shape: Shape, verb: 'ADD' | 'DEL', pod: Pod): Promise<void> {
  const octet = way.octet + shapes.indexOf(shape)
  const name = `bench${octet}`
  const env = {
    PATH: process.env['PATH'],
    CNI_COMMAND: verb,
    CNI_CONTAINERID: pod.name,
    CNI_NETNS: `/run/netns/${pod.name}`,
    CNI_IFNAME: 'eth0',
    CNI_PATH: way.path,
  }
  const shared = { cniVersion: '1.0.0', name }
  const bridge = {
    ...shared,
    type: 'bridge',
    bridge: name,
    isDefaultGateway: true,
    ipMasq: shape.ipMasq,
    ipam: {
      type: 'host-local',
      dataDir: folder,
      ranges: [[{ subnet: `10.${octet}.0.0/16` }], [{ subnet: `fd00:${octet}::/64` }]],
    },
  }
  const hostPort = 20_000 + (octet - 100) * 1000 + pod.number
  const portmap = {
    ...shared,
    type: 'portmap',
    snat: true,
    runtimeConfig: { portMappings: [{ hostPort, containerPort: 80, protocol: 'tcp' }] },
  }
  const key = `${name}/${pod.name}`
  const chain = shape.portmap ? [bridge, portmap] : [bridge]
  for (const config of verb === 'ADD' ? chain : chain.toReversed()) {
    const prevResult = results.get(key)
    const input = JSON.stringify({ ...config, ...(prevResult === undefined ? {} : { prevResult }) })
    const stdout = await runProgram(join(way.path, config.type), [], { env, input })
    if (verb === 'ADD') results.set(key, JSON.parse(stdout) as object)
  }
  if (verb === 'DEL') results.delete(key)
}

type Sample = { readonly wallMs: number[]; readonly cpuMs: number[] }
const samples = new Map<string, Sample>()
const sampleOf = (title: string): Sample => {
  const sample = samples.get(title) ?? { wallMs: [], cpuMs: [] }
  samples.set(title, sample)
  return sample
}

async function namespaces(pods: readonly Pod[], verb: 'add' | 'del'): Promise<void> {
  for (const { name } of pods) await runProgram('ip', ['netns', verb, name])
}

const podsOf = (prefix: string, count: number, from = 0): readonly Pod[] =>
  Array.from({ length: count }, (_, n) => ({ name: `${prefix}${n}`, number: from + n }))

type Load = { readonly neighbours: number; readonly count: number; readonly isNoted: boolean }

async function measure(agent: CniAgent, way: Way, shape: Shape, load: Load): Promise<void> {
  const { neighbours, count, isNoted } = load
  const pods = podsOf('bench-', count, 500)
  await namespaces(pods, 'add')
  for (const verb of ['ADD', 'DEL'] as const) {
    const [beganMs, cpuBeganMs] = [performance.now(), cpuMs(agent)]
    await Promise.all(pods.map(pod => call(way, shape, verb, pod)))
    if (!isNoted) continue
    const many = count === 1 ? '' : ` of ${count}`
    const sample = sampleOf(`${shape.title}: ${verb}${many}, ${neighbours} pods | ${way.title}`)
    sample.wallMs.push(performance.now() - beganMs)
    sample.cpuMs.push((cpuMs(agent) - cpuBeganMs) / count)
  }
  await namespaces(pods, 'del')
}

/** All shapes and ways in turns, then some with 20 pods at once. */
async function compare(agent: CniAgent, neighbours: number): Promise<void> {
  for (let round = 0; round <= rounds; round++) {
    for (const shape of shapes) {
      for (const way of ways) {
        await measure(agent, way, shape, { neighbours, count: 1, isNoted: round > 0 })
      }
    }
  }
  for (let round = 0; round < Math.max(1, rounds / 10); round++) {
    for (const shape of shapes) {
      for (const way of ways) {
        await measure(agent, way, shape, { neighbours, count: AT_ONCE, isNoted: true })
      }
    }
  }
}

const SINK = `let bytes = 0
require('node:net').createServer(socket => socket.on('data', chunk => (bytes += chunk.length)).on('end', () => {
  process.stdout.write(String(bytes)); process.exit()
})).listen(7000, '0.0.0.0', () => process.stderr.write('ready'))`
const SOURCE = `const socket = require('node:net').connect(7000, process.argv[1])
const chunk = Buffer.alloc(256 * 1024), end = Date.now() + 2000
const write = () => { while (Date.now() < end) if (!socket.write(chunk)) return; socket.end() }
socket.on('connect', write).on('drain', write)`

/** Bytes a second from one pod to another on the bridge that a way has made, over TCP for 2 s. */
async function throughput(way: Way): Promise<number> {
  const shape = shapes[0] as Shape
  const pods = podsOf('path-', 2, 800)
  await namespaces(pods, 'add')
  for (const pod of pods) await call(way, shape, 'ADD', pod)
  const key = `bench${way.octet}/${pods[1]?.name}`
  const { ips } = results.get(key) as { readonly ips: readonly { readonly address: string }[] }
  const address = ips[0]?.address.split('/')[0] ?? ''
  const inside = ['netns', 'exec', 'path-1', process.execPath, '-e', SINK]
  const sink = spawn('ip', inside, { stdio: ['ignore', 'pipe', 'pipe'] })
  await once(sink.stderr, 'data')
  const said = once(sink.stdout, 'data') as Promise<[Buffer]>
  await runProgram('ip', ['netns', 'exec', 'path-0', process.execPath, '-e', SOURCE, address])
  const bytes = Number((await said)[0].toString())
  for (const pod of pods) await call(way, shape, 'DEL', pod)
  await namespaces(pods, 'del')
  return bytes / 2
}

await using agent = await CniAgent.start(dist, folder)
const neighbours = podsOf('neighbour-', NEIGHBOURS)
try {
  await compare(agent, 0)
  await namespaces(neighbours, 'add')
  for (const pod of neighbours) {
    for (const way of ways) {
      for (const shape of shapes) {
        // A pod has one eth0: neighbours take turns in their shapes and ways.
        const turn = pod.number % (shapes.length * ways.length)
        const isTurn = turn === shapes.indexOf(shape) * ways.length + ways.indexOf(way)
        if (isTurn) await call(way, shape, 'ADD', pod)
      }
    }
  }
  await compare(agent, NEIGHBOURS)
  for (const way of ways) {
    console.log(`pod to pod, ${way.title}: ${((await throughput(way)) / 1e9).toFixed(2)} GB/s`)
  }
} finally {
  await agent.kill('SIGTERM')
  rmSync(folder, { recursive: true })
}

for (const [title, { wallMs, cpuMs }] of samples) {
  const peer = samples.get(title.replace(/\| .*/, '| reference')) as Sample
  const ratio = (a: readonly number[], b: readonly number[]) =>
    (quantile(a, 0.5) / quantile(b, 0.5)).toFixed(2)
  const cpu = cpuMs.reduce((sum, ms) => sum + ms, 0) / cpuMs.length
  const peerCpu = peer.cpuMs.reduce((sum, ms) => sum + ms, 0) / peer.cpuMs.length
  const wall = `p50 ${formatMs(quantile(wallMs, 0.5))} p99 ${formatMs(quantile(wallMs, 0.99))}`
  const times = `${ratio(wallMs, peer.wallMs)} ×`
  console.log(
    `${title.padEnd(58)} ${wall} ${times}  CPU a pod ${formatMs(cpu)} ${(cpu / peerCpu).toFixed(2)} ×`,
  )
}
