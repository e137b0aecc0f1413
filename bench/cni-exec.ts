/**
 * What starting a CNI plugin costs: wall time of one process, ours beside the reference's and beside the floor of the
 * runtime. The ways take turns, so that the machine's noise hits all alike. Needs dist/ (scripts/build) and the reference
 * plugins in /usr/lib/cni (Debian package containernetworking-plugins).
 *
 * bench/cni-exec.ts [ROUNDS]
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatMs, quantile, timed } from './measure.ts'

const rounds = Number(process.argv[2] ?? 40)
const ours = join(import.meta.dirname, '../dist/cni/host-local')
const reference = '/usr/lib/cni/host-local'
const folder = mkdtempSync(join(tmpdir(), 'cni-exec-'))

type Way = { readonly title: string; readonly run: (round: number) => void }

function call(program: string, command: string, round: number): void {
  const dataDir = join(folder, program === ours ? 'ours' : 'reference')
  const ranges = [[{ subnet: '10.0.0.0/16' }]]
  const ipam = { type: 'host-local', dataDir, ranges }
  start(program, [], {
    input: JSON.stringify({ cniVersion: '1.0.0', name: 'bench', type: 'bridge', ipam }),
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: `container-${round}`,
      CNI_NETNS: '/run/netns/none',
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/usr/lib/cni',
    },
  })
}

function start(
  program: string,
  args: string[],
  options: { input?: string; env?: NodeJS.ProcessEnv },
): void {
  const { status, stdout, error } = spawnSync(program, args, { encoding: 'utf8', ...options })
  if (status !== 0) throw error ?? new Error(`${program}: exit status ${status}: ${stdout}`)
}

const ways: readonly Way[] = [
  { title: 'node -e 0', run: () => start(process.execPath, ['-e', '0'], {}) },
  ...['VERSION', 'ADD', 'DEL'].flatMap(command => [
    { title: `ours ${command}`, run: (round: number) => call(ours, command, round) },
    { title: `reference ${command}`, run: (round: number) => call(reference, command, round) },
  ]),
]

const times = ways.map((): number[] => [])
try {
  for (let round = 0; round < rounds; round++) {
    for (const [index, way] of ways.entries()) {
      times[index]?.push(await timed(() => way.run(round)))
    }
  }
} finally {
  rmSync(folder, { recursive: true })
}

const p50 = times.map(list => quantile(list, 0.5))
const floor = p50[0] ?? 1
for (const [index, { title }] of ways.entries()) {
  const ms = p50[index] ?? 0
  const peer = title.startsWith('ours')
    ? `, ${(ms / (p50[index + 1] ?? 1)).toFixed(1)} × reference`
    : ''
  const ratio = (ms / floor).toFixed(2)
  console.log(`${title.padEnd(20)} p50 ${formatMs(ms)}, ${ratio} × node -e 0${peer}`)
}
