// Memory of the built agent with a large cluster: `scripts/build && scripts/in-namespace.sh node bench/agent-memory.ts`.
// Budget: 150 MiB at any time for 10,000 Services with 2 endpoints each, programmed into the kernel and loaded into DNS.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { renderObjects } from './cluster-memory-manifests.ts'

const BUDGET_MIB = 150
const READY_LIMIT_MS = 120_000
/** V8 collects what a process at rest still holds after about 20 s. */
const REST_MS = 30_000
const AGENT = join(import.meta.dirname, '../dist/nodeplane')
const COREFILE = `.:53 {
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa
  cache 30
}
`

type Scenario = {
  readonly title: string
  /** The agent's field `cluster`; files may be put into `folder`. */
  readonly cluster: (folder: string, stack: AsyncDisposableStack) => Promise<object>
  /** A name that is there when all is. */
  readonly name: string
}

const {
  services: text,
  only,
  workers,
} = parseArgs({
  options: {
    services: { type: 'string', default: '10000' },
    /** A part of the titles of the scenarios to run. */
    only: { type: 'string', default: '' },
    /** Of the DNS fast path. */
    workers: { type: 'string', default: '1' },
  },
}).values
const services = Number(text)

const scenarios: readonly Scenario[] = [
  {
    title: 'at rest, nothing to serve',
    cluster: async () => ({ manifests: '.' }),
    name: '',
  },
  {
    title: 'manifests in YAML',
    cluster: async folder => {
      await writeFile(join(folder, 'cluster.yaml'), renderObjects(services, 'yaml'))
      return { manifests: '.' }
    },
    name: `app-${services - 1}.team-${(services - 1) % 50}`,
  },
  {
    title: 'API server, 2 ports per Service',
    cluster: async (_folder, stack) => ({ kubeconfig: await startApiServer(stack) }),
    name: `app-${services - 1}.team-${(services - 1) % 50}`,
  },
]

async function startApiServer(stack: AsyncDisposableStack): Promise<string> {
  const program = join(import.meta.dirname, 'api-cluster-server.ts')
  const server = spawn(process.execPath, [program, String(services)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  stack.defer(async () => {
    const ended = once(server, 'exit')
    server.stdin.end()
    await ended
  })
  const [kubeconfig] = await once(createInterface(server.stdout), 'line')
  return String(kubeconfig)
}

async function residentMiB({ pid }: ChildProcess, field: 'VmHWM' | 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]
  return Math.round(Number(kib) / 1024)
}

async function untilReady(agent: ChildProcess): Promise<void> {
  const end = performance.now() + READY_LIMIT_MS
  while (performance.now() < end && agent.exitCode === null) {
    const response = await fetch('http://127.0.0.1:9154/readyz').catch(() => undefined)
    if (response?.status === 200) return
    await sleep(100)
  }
  throw new Error('the agent did not get ready')
}

/** Runs an agent until it has all and has rested; false when it took more than the budget. */
async function measure({ title, cluster, name }: Scenario): Promise<boolean> {
  await using stack = new AsyncDisposableStack()
  execFileSync('nft', ['flush', 'ruleset'])
  const folder = await mkdtemp(join(tmpdir(), 'nodeplane-memory-'))
  stack.defer(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'manifests'))
  const objects = await cluster(join(folder, 'manifests'), stack)
  const from = 'manifests' in objects ? { manifests: join(folder, 'manifests') } : objects
  await writeFile(join(folder, 'Corefile'), COREFILE)
  const config = {
    nodeName: 'node-0',
    cluster: from,
    dns: { corefile: 'Corefile', fastPathWorkers: Number(workers) },
  }
  await writeFile(join(folder, 'agent.yaml'), JSON.stringify(config))
  const start = performance.now()
  const agent = spawn(AGENT, ['agent', '--config', join(folder, 'agent.yaml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  ;(agent.stderr as Readable).on('data', (chunk: Buffer) => {
    log += chunk.toString()
  })
  stack.defer(async () => {
    const ended = once(agent, 'exit')
    agent.kill('SIGTERM')
    await ended
  })
  try {
    await untilReady(agent)
  } catch (error) {
    process.stderr.write(log)
    throw error
  }
  const readyMs = Math.round(performance.now() - start)
  if (name !== '') checkServed(name)
  await sleep(REST_MS)
  const [peak, steady] = [await residentMiB(agent, 'VmHWM'), await residentMiB(agent, 'VmRSS')]
  const verdict = peak <= BUDGET_MIB ? 'within' : 'OVER'
  process.stdout.write(
    `${title}: ready in ${readyMs} ms, peak ${peak} MiB, steady ${steady} MiB: ${verdict} ${BUDGET_MIB} MiB\n`,
  )
  return peak <= BUDGET_MIB
}

/** The numbers are of an agent that works. */
function checkServed(name: string): void {
  const args = ['+short', '@127.0.0.1', `${name}.svc.cluster.local`]
  const address = execFileSync('dig', args, { encoding: 'utf8' }).trim()
  const rules = execFileSync('nft', ['list', 'table', 'ip', 'nodeplane'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (!rules.includes(`${address} `)) throw new Error(`${name} (${address}) is not programmed`)
}

for (const scenario of scenarios.filter(({ title }) => title.includes(only)))
  if (!(await measure(scenario))) process.exitCode = 1
