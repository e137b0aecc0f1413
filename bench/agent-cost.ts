// What a whole agent costs a node, from the start on; docs/performance/disruptions.md tells what is measured and how:
//   scripts/in-namespace.sh node bench/agent-cost.ts [--services 0,10000] [--rate 1000] [--seconds 30] [--rest 30]
//     [--dist FOLDER] [--json FILE]
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { AgentProcess } from '../test/helper/agent-process.ts'
import { buildInto } from '../test/helper/build.ts'
import { LoadedNode } from '../test/helper/loaded-node.ts'
import { peerMemory } from './agent-cost/peers.ts'
import { costOf, cpuPercentSince, residentMiB } from './agent-cost/process-cost.ts'
import { rawService, rawSlice } from './raw-cluster.ts'

const option = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    /** Of the cluster, each with two endpoints. */
    services: { ...option, default: '0,10000' },
    /** Endpoint changes a second. */
    rate: { ...option, default: '1000' },
    /** How long endpoints change. */
    seconds: { ...option, default: '30' },
    /** How long the agent rests before that. V8 collects what a process at rest still holds after about 20 s. */
    rest: { ...option, default: '30' },
    dist: option,
    json: option,
  },
})

const START_LIMIT_MS = 60_000
const SHAPE = { endpoints: 2, ports: ['http'] }
/** Changes come in bursts of so many milliseconds. */
const BURST_MS = 20

/** Milliseconds from the agent's start to the first success. */
async function firstSuccess(beganMs: number, probe: () => Promise<boolean>): Promise<number> {
  while (performance.now() < beganMs + START_LIMIT_MS) {
    if (await probe().catch(() => false)) return Math.round(performance.now() - beganMs)
    await sleep(20)
  }
  throw new Error('the node did not get ready')
}

async function measureStart(loaded: LoadedNode) {
  const beganMs = performance.now()
  const agent = loaded.spawnAgent()
  const confDir = loaded.node.path('net.d')
  const first = (probe: () => Promise<boolean>) =>
    firstSuccess(beganMs, probe).catch((cause: unknown) => {
      throw new Error(agent.stderr.slice(-4000), { cause })
    })
  const [readyMs, serviceMs, nameMs, networkMs] = await Promise.all([
    first(async () => (await agent.get('/readyz')).status === 200),
    first(async () => (await loaded.node.connect('10.96.0.20')).startsWith('web ')),
    first(() => loaded.isCaught()),
    // The runtime calls a node ready for pods when this file is there.
    first(
      async () =>
        existsSync(confDir) && (await readdir(confDir)).some(name => name.endsWith('.conflist')),
    ),
  ])
  return { agent, start: { serviceMs, nameMs, networkMs, readyMs } }
}

/** Moves endpoints of one Service after the other, at a steady rate. */
async function churn({ api }: LoadedNode, services: number): Promise<number> {
  const beganMs = performance.now()
  const endMs = beganMs + Number(values.seconds) * 1000
  let changes = 0
  while (performance.now() < endMs) {
    const due = ((performance.now() - beganMs) / 1000) * Number(values.rate)
    for (; changes < due; changes++) {
      const slice = rawSlice(changes % services, SHAPE)
      const [first, second] = slice.endpoints
      const ready = Math.floor(changes / services) % 2 === 1
      const moved = { ...first, conditions: { ready, serving: ready, terminating: false } }
      api.set('EndpointSlice', { ...slice, endpoints: [moved, second] })
    }
    await sleep(BURST_MS)
  }
  return Math.round((changes * 1000) / (performance.now() - beganMs))
}

async function measureIdle({ pid }: AgentProcess) {
  await sleep(Number(values.rest) * 1000)
  const before = costOf(pid)
  await sleep(Math.min(10, Number(values.rest)) * 1000)
  return { idleMiB: residentMiB(pid, 'VmRSS'), idleCpuPercent: cpuPercentSince(pid, before) }
}

async function measureChurn(loaded: LoadedNode, { pid }: AgentProcess, services: number) {
  if (services === 0) return {}
  const before = costOf(pid)
  const changesPerSecond = await churn(loaded, services)
  return {
    changesPerSecond,
    churnCpuPercent: cpuPercentSince(pid, before),
    churnMiB: residentMiB(pid, 'VmRSS'),
  }
}

async function measure(services: number, dist: string, folder: string) {
  await using loaded = await LoadedNode.create(dist, folder)
  for (let index = 0; index < services; index++) {
    loaded.api.set('Service', rawService(index, SHAPE))
    loaded.api.set('EndpointSlice', rawSlice(index, SHAPE))
  }
  const { agent, start } = await measureStart(loaded)
  await using _agent = agent
  const idle = await measureIdle(agent)
  const changing = await measureChurn(loaded, agent, services)
  const peakMiB = residentMiB(agent.pid, 'VmHWM')
  agent.kill('SIGTERM')
  await agent.exit()
  return { services, ...start, ...idle, ...changing, peakMiB }
}

const folder = await mkdtemp(join(tmpdir(), 'nodeplane-cost-'))
await using stack = new AsyncDisposableStack()
stack.defer(() => rm(folder, { recursive: true }))
const dist = values.dist ?? join(folder, 'dist')
if (values.dist === undefined) await buildInto(dist)
const results = []
for (const services of values.services.split(',').map(Number)) {
  results.push(await measure(services, dist, await mkdtemp(join(folder, 'node-'))))
}
const peers = await peerMemory(join(folder, 'peers'))
const load = loadavg().map(value => value.toFixed(1))
const rounded = (_key: string, value: unknown) =>
  typeof value === 'number' ? Math.round(value * 10) / 10 : value
const report = JSON.stringify({ load, results, peers }, rounded, 2)
process.stdout.write(`${report}\n`)
if (values.json !== undefined) await writeFile(values.json, report)
