// Requests that fail, and connections that break, while the agent of a node is replaced, killed or robbed of its rules;
// docs/performance/disruptions.md tells what is measured and how:
//   scripts/in-namespace.sh node bench/disruptions.ts [--rate 100] [--established 10] [--only TEXT] [--dist FOLDER]
//     [--markdown FILE] [--json FILE]
// About 2 minutes. Exit status 1: a connection broke, or new requests of a protocol had none answered for longer than 1 s.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { buildInto } from '../test/helper/build.ts'
import { eventually } from '../test/helper/eventually.ts'
import { LoadedNode } from '../test/helper/loaded-node.ts'
import { disruptions } from './disruptions/disruption.ts'
import { renderFailures, renderTable, type Seen } from './disruptions/report.ts'

const option = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    /** Of each: new TCP connections, datagrams, DNS queries; a second. */
    rate: { ...option, default: '100' },
    established: { ...option, default: '10' },
    /** A part of the names of the disruptions to cause. */
    only: { ...option, default: '' },
    /** A build that is there. */
    dist: option,
    markdown: option,
    json: option,
  },
})

const DEADLINE_MS = 1000
/** For new requests, whatever happens. */
const BUDGET_MS = 1000
/** Load without disruption, before it and after the agent is ready again. */
const [LEAD_MS, TAIL_MS] = [2000, 3000]

await using stack = new AsyncDisposableStack()
const folder = await mkdtemp(join(tmpdir(), 'nodeplane-disruptions-'))
stack.defer(() => rm(folder, { recursive: true }))
const dist = values.dist ?? join(folder, 'dist')
if (values.dist === undefined) await buildInto(dist)
const home = await mkdtemp(join(folder, 'node-'))
const loaded = stack.use(await LoadedNode.create(dist, home))
let agent = loaded.spawnAgent()
await agent.ready()

const seen: Seen[] = []
for (const { name, cause } of disruptions.filter(each => each.name.includes(values.only))) {
  await eventually('queries to be caught', () => loaded.isCaught(), 30_000)
  const load = await loaded.startLoad({
    perSecond: Number(values.rate),
    deadlineMs: DEADLINE_MS,
    established: Number(values.established),
    // Without the second try that resolvers have: what is lost shows.
    dns: { tries: 1, timeoutMs: DEADLINE_MS },
  })
  await sleep(LEAD_MS)
  agent = await cause(loaded, agent)
  await sleep(TAIL_MS)
  seen.push({ name, report: await load.stop() })
  process.stderr.write(`${renderTable(seen.slice(-1))}${renderFailures(seen.slice(-1))}`)
}
agent.kill('SIGTERM')
await agent.exit()

const load = loadavg().map(value => value.toFixed(1))
const markdown = `${renderTable(seen)}\n${renderFailures(seen)}\nLoad average at the end: ${load.join(', ')}\n`
process.stdout.write(markdown)
if (values.markdown !== undefined) await writeFile(values.markdown, markdown)
if (values.json !== undefined)
  await writeFile(values.json, JSON.stringify({ load, seen }, undefined, 2))
const isOver = ({ report: { tcp, udp, dns, established } }: Seen) =>
  established.broken > 0 || [tcp, udp, dns].some(({ longestGapMs }) => longestGapMs > BUDGET_MS)
if (seen.some(isOver)) process.exitCode = 1
