import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { measureLoad, type Run } from './dns-load.ts'
import {
  type Contender,
  contenders,
  nameOf,
  outsideNameOf,
  RunningServer,
  upstream,
} from './dns-servers.ts'
import { quantile } from './measure.ts'
import { barChart } from './svg-plot.ts'

// DNS over UDP, ours beside dnsmasq, unbound and Knot, on one core, by turns: the server has core 0, dnsperf core 1. Needs
// scripts/build and the Debian packages dnsperf, dnsmasq-base, unbound, knot.
// Run: scripts/in-namespace.sh node bench/dns.ts [--rounds N] [--seconds S] [--names N] [--only KIND] [--out docs/performance]
// With COREDNS=PATH in the environment that program is one of the servers.

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    names: { type: 'string', default: '1000' },
    dist: { type: 'string', default: join(import.meta.dirname, '../dist') },
    /** Only kinds of queries whose title has this in it. */
    only: { type: 'string', default: '' },
    /** Where results and plots are written; not at all when it is not given. */
    out: { type: 'string' },
  },
})
const [rounds, seconds, names] = [options.rounds, options.seconds, options.names].map(Number) as [
  number,
  number,
  number,
]
const FIRST_PORT = 5301
const UPSTREAM_PORT = 5300
/** Names that are asked for once each: no cache has them. */
const FRESH_NAMES = 400_000

type Kind = {
  readonly title: string
  readonly file: 'cluster' | 'outside' | 'fresh'
  readonly rate?: number
  readonly timed?: boolean
  /** What a plot shows of it, and in which unit. */
  readonly plot: { readonly value: keyof Run; readonly unit: string; readonly name: string }
}

const perSecond = { value: 'perSecond', unit: 'queries/s' } as const
const kinds: readonly Kind[] = [
  { title: 'cluster names', file: 'cluster', plot: { ...perSecond, name: 'cluster' } },
  { title: 'cached outside names', file: 'outside', plot: { ...perSecond, name: 'cached' } },
  { title: 'forwarded', file: 'fresh', plot: { ...perSecond, name: 'forward' } },
  {
    title: 'cluster names, 40,000 a second',
    file: 'cluster',
    rate: 40_000,
    plot: { value: 'cpuUs', unit: 'µs CPU/query', name: 'cpu' },
  },
  {
    title: 'cluster names, 10,000 a second',
    file: 'cluster',
    rate: 10_000,
    timed: true,
    plot: { value: 'p99Ms', unit: 'ms p99', name: 'p99' },
  },
]

type Contestant = Contender & { readonly port: number; readonly server: RunningServer }
type Result = { readonly kind: string; readonly server: string; readonly runs: readonly Run[] }

async function main(folder: string, stack: AsyncDisposableStack): Promise<void> {
  const queries = {
    cluster: await writeQueries(folder, 'cluster', names, nameOf),
    outside: await writeQueries(folder, 'outside', names, outsideNameOf),
  }
  const contestants = await startAll(folder, stack)
  const results: Result[] = []
  let fresh = 0
  for (const kind of kinds.filter(({ title }) => title.includes(options.only))) {
    const able = contestants.filter(({ forwards }) => forwards || kind.file === 'cluster')
    const runs = new Map<string, Run[]>(able.map(({ title }) => [title, []]))
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      // Nobody is always first: what one leaves behind, the next one meets.
      const turns = [...able.slice(round % able.length), ...able.slice(0, round % able.length)]
      for (const { title, port, server } of turns) {
        const file =
          kind.file === 'fresh'
            ? await writeQueries(folder, 'fresh', FRESH_NAMES, at => `x${fresh + at}.outside.test`)
            : queries[kind.file]
        if (kind.file === 'fresh') fresh += FRESH_NAMES
        const { rate, timed } = kind
        const run = await measureLoad(server, { port, queries: file, seconds, rate, timed })
        if (round > 0) runs.get(title)?.push(run)
      }
    }
    for (const [server, own] of runs) results.push({ kind: kind.title, server, runs: own })
    print(kind, results)
  }
  const memory = await Promise.all(
    contestants.map(async ({ title, server }) => [title, Math.round(await server.residentMiB())]),
  )
  console.log(`MiB: ${memory.map(([title, mib]) => `${title} ${mib}`).join(', ')}`)
  if (options.out !== undefined) await writeResults(resolve(options.out), results, memory)
}

async function writeQueries(
  folder: string,
  name: string,
  count: number,
  nameAt: (at: number) => string,
): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, Array.from({ length: count }, (_, at) => `${nameAt(at)} A\n`).join(''))
  return path
}

async function startAll(
  folder: string,
  stack: AsyncDisposableStack,
): Promise<readonly Contestant[]> {
  const place = async (port: number) => {
    const own = join(folder, `server-${port}`)
    await mkdir(own)
    return { folder: own, port, upstreamPort: UPSTREAM_PORT, names }
  }
  const command = await upstream(await place(UPSTREAM_PORT))
  const ready = { port: UPSTREAM_PORT, name: outsideNameOf(1), core: 1 }
  stack.use(await RunningServer.start(command, ready))
  const contestants: Contestant[] = []
  const nodeplane = join(resolve(options.dist), 'nodeplane')
  for (const [number, contender] of contenders(nodeplane).entries()) {
    const port = FIRST_PORT + number
    const own = await contender.setup(await place(port))
    const server = stack.use(await RunningServer.start(own, { port, name: nameOf(1) }))
    contestants.push({ ...contender, port, server })
  }
  return contestants
}

const median = (runs: readonly Run[], value: keyof Run): number =>
  quantile(
    runs.map(run => run[value]),
    0.5,
  )

/** `median (least–most)`. */
function spread(runs: readonly Run[], value: keyof Run, digits: number): string {
  const values = runs.map(run => run[value])
  const [low, middle, high] = [0, 0.5, 1].map(share => quantile(values, share).toFixed(digits))
  return `${middle} (${low}–${high})`
}

function print(kind: Kind, results: readonly Result[]): void {
  console.log(`\n${kind.title}: ${rounds} rounds of ${seconds} s; median (least–most)`)
  const own = results.filter(result => result.kind === kind.title)
  const [first] = own
  for (const { server, runs } of own) {
    const ratio = (value: keyof Run) =>
      (median(first?.runs ?? [], value) / median(runs, value)).toFixed(2)
    const latency =
      kind.timed !== true
        ? ''
        : `p50 ${spread(runs, 'p50Ms', 3)} p99 ${spread(runs, 'p99Ms', 3)} ms`
    const columns = [
      server.padEnd(22),
      `${spread(runs, 'perSecond', 0)} q/s`.padEnd(34),
      `${spread(runs, 'cpuUs', 1)} µs CPU`.padEnd(26),
      `lost ${runs.reduce((sum, { lost }) => sum + lost, 0)}`.padEnd(10),
      latency,
      `fast path: ${ratio('perSecond')} × the rate, ${ratio('cpuUs')} × the CPU`,
    ]
    console.log(columns.join('  '))
  }
}

async function writeResults(
  folder: string,
  results: readonly Result[],
  memoryMiB: readonly (readonly (string | number)[])[],
): Promise<void> {
  await mkdir(folder, { recursive: true })
  const date = new Date().toISOString().slice(0, 10)
  const command = `scripts/in-namespace.sh node bench/dns.ts --rounds ${rounds} --seconds ${seconds} --names ${names}`
  const hardware = `${cpus().length} × ${cpus()[0]?.model ?? '?'}`
  const about = { date, hardware, command }
  await writeFile(
    join(folder, 'dns.json'),
    `${JSON.stringify({ ...about, memoryMiB: Object.fromEntries(memoryMiB), results }, undefined, 2)}\n`,
  )
  for (const { title, plot } of kinds) {
    const bars = results
      .filter(({ kind }) => kind === title)
      .map(({ server, runs }) => {
        const values = runs.map(run => run[plot.value])
        const [low, value, high] = [0, 0.5, 1].map(share => quantile(values, share)) as [
          number,
          number,
          number,
        ]
        return { label: server, value, low, high }
      })
    const note = `${date}, ${hardware}; median, least and most of ${rounds} rounds`
    const svg = barChart({ title, unit: plot.unit, note, bars })
    await writeFile(join(folder, `dns-${plot.name}.svg`), svg)
  }
}

await using stack = new AsyncDisposableStack()
const folder = await mkdtemp(join(tmpdir(), 'nodeplane-bench-'))
stack.defer(() => rm(folder, { recursive: true }))
await main(folder, stack)
