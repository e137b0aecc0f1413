import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { nameOf, RunningServer, type Setup, setups } from './dns-servers.ts'
import { quantile } from './measure.ts'

// Cluster names over UDP: queries a second on one core and CPU for each, ours beside dnsmasq, unbound and Knot. The server has core
// 0, dnsperf core 1; the servers take turns. Needs scripts/build and the Debian packages dnsperf, dnsmasq-base, unbound, knot.
// Run: scripts/in-namespace.sh node bench/dns.ts [ROUNDS] [SECONDS] [NAMES] [DIST]

const [rounds = 3, seconds = 3, names = 1000] = process.argv.slice(2, 5).map(Number)
const nodeplane = resolve(process.argv[5] ?? join(import.meta.dirname, '../dist'), 'nodeplane')
const FIRST_PORT = 5301
/** Queries under way at a time. */
const OUTSTANDING = 100

type Run = { readonly perSecond: number; readonly cpuUs: number; readonly lost: number }
type Contestant = { readonly title: string; readonly port: number; readonly server: RunningServer }

const run = promisify(execFile)

async function measure({ server, port }: Contestant, queries: string): Promise<Run> {
  const cpuBefore = await server.cpuSeconds()
  const dnsperf = `dnsperf -s 127.0.0.1 -p ${port} -l ${seconds} -q ${OUTSTANDING} -c 8 -d`
  const { stdout } = await run('taskset', ['-c', '1', ...dnsperf.split(' '), queries])
  const cpu = (await server.cpuSeconds()) - cpuBefore
  const numberAfter = (label: string) =>
    Number(new RegExp(`${label}:\\s+([0-9.]+)`).exec(stdout)?.[1])
  const completed = numberAfter('Queries completed')
  return {
    perSecond: numberAfter('Queries per second'),
    cpuUs: (cpu / completed) * 1e6,
    lost: numberAfter('Queries lost'),
  }
}

/** `median (least–most)`. */
function spread(values: readonly number[], digits: number): string {
  const [low, middle, high] = [0, 0.5, 1].map(share => quantile(values, share).toFixed(digits))
  return `${middle} (${low}–${high})`
}

async function main(folder: string, stack: AsyncDisposableStack): Promise<void> {
  const queries = join(folder, 'queries')
  await writeFile(queries, Array.from({ length: names }, (_, at) => `${nameOf(at)} A\n`).join(''))
  const contestants: Contestant[] = []
  for (const [number, [title, setup]] of Object.entries(setups(nodeplane)).entries()) {
    contestants.push(await start(title, setup, { folder, port: FIRST_PORT + number, stack }))
  }
  const runs = new Map<string, Run[]>(contestants.map(({ title }) => [title, []]))
  for (const contestant of contestants) await measure(contestant, queries)
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) {
      runs.get(contestant.title)?.push(await measure(contestant, queries))
    }
  }
  await print(contestants, runs)
}

async function start(
  title: string,
  setup: Setup,
  { folder, port, stack }: { folder: string; port: number; stack: AsyncDisposableStack },
): Promise<Contestant> {
  const own = join(folder, `${port}`)
  await mkdir(own)
  const server = await RunningServer.start(await setup(own, port, names), port)
  return { title, port, server: stack.use(server) }
}

async function print(
  contestants: readonly Contestant[],
  runs: ReadonlyMap<string, readonly Run[]>,
): Promise<void> {
  console.log(`${names} names, ${rounds} rounds of ${seconds} s; median (least–most)`)
  const median = (title: string, value: (run: Run) => number) =>
    quantile((runs.get(title) ?? []).map(value), 0.5)
  const [first] = contestants
  for (const { title, server } of contestants) {
    const own = runs.get(title) ?? []
    const rate =
      median(first?.title ?? '', run => run.perSecond) / median(title, run => run.perSecond)
    const cpu = median(first?.title ?? '', run => run.cpuUs) / median(title, run => run.cpuUs)
    const columns = [
      title.padEnd(22),
      `${spread(
        own.map(({ perSecond }) => perSecond),
        0,
      )} q/s`.padEnd(34),
      `${spread(
        own.map(({ cpuUs }) => cpuUs),
        1,
      )} µs CPU`.padEnd(26),
      `${(await server.residentMiB()).toFixed(0)} MiB`.padEnd(8),
      `lost ${own.reduce((sum, { lost }) => sum + lost, 0)}`.padEnd(8),
      `fast path: ${rate.toFixed(2)} × the rate, ${cpu.toFixed(2)} × the CPU`,
    ]
    console.log(columns.join('  '))
  }
}

await using stack = new AsyncDisposableStack()
const folder = await mkdtemp(join(tmpdir(), 'nodeplane-bench-'))
stack.defer(() => rm(folder, { recursive: true }))
await main(folder, stack)
