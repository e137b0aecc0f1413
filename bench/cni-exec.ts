/**
 * What wiring a pod costs: ADD and DEL of bridge with host-local, both families, with and without ipMasq, as a runtime
 * calls them: our executable with an agent, the same alone, and the reference's. The ways take turns, so that the machine's
 * noise hits all alike; then 20 pods at once. Beside them the floors: a start of Node, and of the executable. Needs dist/
 * (scripts/build) and the reference plugins in /usr/lib/cni (Debian package containernetworking-plugins).
 *
 * scripts/in-namespace.sh node bench/cni-exec.ts [ROUNDS]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CniAgent } from '../test/helper/cni-agent.ts'
import { formatMs, quantile, timed } from './measure.ts'
import { runProgram } from './run-program.ts'

const rounds = Number(process.argv[2] ?? 40)
const AT_ONCE = 20
const folder = mkdtempSync(join(tmpdir(), 'cni-exec-'))
const dist = join(import.meta.dirname, '../dist')
const ours = join(dist, 'cni')
const reference = '/usr/lib/cni'

type Way = { readonly title: string; readonly path: string; readonly env: NodeJS.ProcessEnv }

const ways: readonly Way[] = [
  { title: 'agent', path: ours, env: {} },
  { title: 'alone', path: ours, env: { NODEPLANE_CNI_SOCKET: '/nonexistent' } },
  { title: 'reference', path: reference, env: {} },
]

function call(way: Way, verb: string, ipMasq: boolean, pod: string): Promise<string> {
  const index = ways.indexOf(way) * 2 + Number(ipMasq)
  const ranges = [
    [{ subnet: `10.${index + 100}.0.0/16` }],
    [{ subnet: `fd00:${index + 100}::/64` }],
  ]
  const config = {
    cniVersion: '1.0.0',
    name: `bench${index}`,
    type: 'bridge',
    bridge: `bench${index}`,
    isDefaultGateway: true,
    ipMasq,
    ipam: { type: 'host-local', dataDir: folder, ranges },
  }
  return runProgram(join(way.path, 'bridge'), [], {
    env: {
      PATH: process.env['PATH'],
      CNI_COMMAND: verb,
      CNI_CONTAINERID: pod,
      CNI_NETNS: `/run/netns/${pod}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: way.path,
      ...way.env,
    },
    input: JSON.stringify(config),
  })
}

const times = new Map<string, number[]>()
function note(title: string, ms: number): void {
  times.set(title, [...(times.get(title) ?? []), ms])
}

/** ADD and DEL of some pods at once. @param isNoted the first round makes the bridge and fills caches. */
async function measure(way: Way, ipMasq: boolean, count: number, isNoted: boolean): Promise<void> {
  const pods = Array.from({ length: count }, (_, n) => `bench-${n}`)
  for (const pod of pods) await runProgram('ip', ['netns', 'add', pod])
  for (const verb of ['ADD', 'DEL']) {
    const ms = await timed(() => Promise.all(pods.map(pod => call(way, verb, ipMasq, pod))))
    const what = `${verb}${ipMasq ? ' with ipMasq' : ''}${count > 1 ? ` of ${count}` : ''}`
    if (isNoted) note(`${what}, ${way.title}`, ms)
  }
  for (const pod of pods) await runProgram('ip', ['netns', 'del', pod])
}

await using agent = await CniAgent.start(dist, folder)
try {
  for (let round = 0; round <= rounds; round++) {
    for (const ipMasq of [false, true]) {
      for (const way of ways) await measure(way, ipMasq, 1, round > 0)
    }
    note('node -e 0', await timed(() => runProgram(process.execPath, ['-e', '0'])))
    const env = { CNI_COMMAND: 'VERSION' }
    note('VERSION, agent', await timed(() => runProgram(join(ours, 'bridge'), [], { env })))
    note(
      'VERSION, reference',
      await timed(() => runProgram(join(reference, 'bridge'), [], { env })),
    )
  }
  for (let round = 0; round < rounds / 10; round++) {
    for (const ipMasq of [false, true]) {
      for (const way of ways) await measure(way, ipMasq, AT_ONCE, true)
    }
  }
} finally {
  await agent.kill('SIGTERM')
  rmSync(folder, { recursive: true })
}

for (const [title, list] of [...times].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
  const peer = times.get(title.replace(/, .*/, ', reference')) ?? times.get('node -e 0') ?? []
  const p50 = quantile(list, 0.5)
  const ratio = (p50 / quantile(peer, 0.5)).toFixed(2)
  const p99 = formatMs(quantile(list, 0.99))
  const starts = (p50 / quantile(times.get('node -e 0') ?? [], 0.5)).toFixed(1)
  const floor = title.endsWith('alone') ? `, ${starts} × node -e 0` : ''
  console.log(`${title.padEnd(32)} p50 ${formatMs(p50)}  p99 ${p99}  ${ratio} × reference${floor}`)
}
