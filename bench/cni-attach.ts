/**
 * What wiring a pod costs: wall time of ADD and DEL of bridge with host-local, both families, with and without ipMasq.
 * In this process (as the agent will do it), as our executables, and as the reference's. The ways take turns, so that
 * the machine's noise hits all alike. Needs dist/ (scripts/build) and the reference plugins in /usr/lib/cni (Debian
 * package containernetworking-plugins).
 *
 * scripts/in-namespace.sh node bench/cni-attach.ts [ROUNDS]
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bridge } from '../src/cni/bridge/bridge.ts'
import { hostLocal } from '../src/cni/host-local/host-local.ts'
import { answerCall } from '../src/cni/spec/call.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { formatMs, quantile, timed } from './measure.ts'

const rounds = Number(process.argv[2] ?? 50)
const folder = mkdtempSync(join(tmpdir(), 'cni-attach-'))
const ours = join(import.meta.dirname, '../dist/cni')
const reference = '/usr/lib/cni'

type Call = { readonly env: NodeJS.ProcessEnv; readonly input: string }
type Way = { readonly title: string; readonly path: string; readonly run: (call: Call) => unknown }

const ways: readonly Way[] = [
  { title: 'in process', path: ours, run: runInProcess },
  { title: 'executable', path: ours, run: call => runProgram(join(ours, 'bridge'), call) },
  { title: 'reference', path: reference, run: call => runProgram(join(reference, 'bridge'), call) },
]

async function runInProcess({ env, input }: Call): Promise<void> {
  const { stdout, exitCode } = await answerCall(
    { env, readStdin: () => Promise.resolve(Buffer.from(input)) },
    {
      name: 'bench',
      version: '0',
      pluginFor: () => Promise.resolve(bridge),
      findOwnPlugin: () => Promise.resolve(hostLocal),
      writeStderr: text => process.stderr.write(text),
      clock: systemClock,
      signal: new AbortController().signal,
    },
  )
  if (exitCode !== 0) throw new Error(stdout)
}

function runProgram(program: string, { env, input }: Call): void {
  const { status, stdout, error } = spawnSync(program, { encoding: 'utf8', env, input })
  if (status !== 0) throw error ?? new Error(`${program}: exit status ${status}: ${stdout}`)
}

function run(program: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

const times = new Map<string, number[]>()

async function measure(way: Way, ipMasq: boolean, round: number): Promise<void> {
  const index = ways.indexOf(way) * 2 + Number(ipMasq)
  const pod = `bench-${index}-${round}`
  run('ip', 'netns', 'add', pod)
  const config = {
    cniVersion: '1.0.0',
    name: `bench${index}`,
    type: 'bridge',
    bridge: `bench${index}`,
    isDefaultGateway: true,
    ipMasq,
    ipam: {
      type: 'host-local',
      dataDir: folder,
      ranges: [[{ subnet: `10.${index + 100}.0.0/16` }], [{ subnet: `fd00:${index + 100}::/64` }]],
    },
  }
  for (const verb of ['ADD', 'DEL']) {
    const env = {
      PATH: process.env['PATH'],
      CNI_COMMAND: verb,
      CNI_CONTAINERID: `container-${round}`,
      CNI_NETNS: `/run/netns/${pod}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: way.path,
    }
    const ms = await timed(() => way.run({ env, input: JSON.stringify(config) }))
    const title = `${verb}${ipMasq ? ' with ipMasq' : ''}, ${way.title}`
    const list = times.get(title) ?? []
    times.set(title, list)
    // The first round makes the bridge and fills caches.
    if (round > 0) list.push(ms)
  }
  run('ip', 'netns', 'del', pod)
}

try {
  for (let round = 0; round <= rounds; round++) {
    for (const ipMasq of [false, true]) {
      for (const way of ways) await measure(way, ipMasq, round)
    }
  }
} finally {
  rmSync(folder, { recursive: true })
}

for (const [title, list] of [...times].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
  const peer = times.get(title.replace(/, .*/, ', reference')) ?? []
  const p50 = quantile(list, 0.5)
  const ratio = (p50 / quantile(peer, 0.5)).toFixed(2)
  const p99 = formatMs(quantile(list, 0.99))
  console.log(`${title.padEnd(32)} p50 ${formatMs(p50)}  p99 ${p99}  ${ratio} × reference`)
}
