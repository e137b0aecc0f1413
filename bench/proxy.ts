// The service proxy against rules in kube-proxy's shape: `scripts/in-namespace.sh node bench/proxy.ts
// [--services 10000] [--rounds 3] [--backend nftables] [--churn 30] [--scale 1,1000,10000,30000]`.
// Each round is a process of its own on an empty kernel; ours and the other take turns. The floor is what `nft -f` takes
// for a chain per Service and endpoint, without any proxy. Paths are seen by new connections, not asked of the proxy.
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import type { ProxyMode } from '../src/proxy/settings.ts'
import { quantile } from './measure.ts'
import { type Round, type RoundOptions, runRound } from './proxy/round.ts'

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    backend: { type: 'string', default: 'nftables' },
    churn: { type: 'string', default: '30' },
    /** Numbers of Services at which the cost of a connection is measured besides. */
    scale: { type: 'string', default: '' },
    round: { type: 'string' },
  },
})

const inChild = (options: RoundOptions): Round => {
  const args = [process.argv[1] as string, '--round', JSON.stringify(options)]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 2 ** 24 }))
}

type Column = { readonly name: string; readonly of: (round: Round) => number | undefined }

const columns: readonly Column[] = [
  { name: 'start → last Service reachable, ms', of: r => r.startMs },
  { name: 'restart on rules that are right, ms', of: r => r.restartMs },
  { name: 'change → new path, p50, ms', of: r => quantile(r.changeMs, 0.5) },
  { name: 'change → new path, p99, ms', of: r => quantile(r.changeMs, 0.99) },
  { name: '1000 changes/s: highest lag, ms', of: r => r.maxLagMs },
  { name: '1000 changes/s: CPU, %', of: r => r.cpuPercent },
  { name: 'memory of the process, MiB', of: r => r.rssMiB },
  { name: 'first packet of a connection, CPU µs', of: r => r.costUs },
  { name: 'the same without a Service, CPU µs', of: r => r.baseCostUs },
]

const some = (rounds: readonly Round[], { of }: Column) => rounds.flatMap(round => of(round) ?? [])

function cell(list: readonly number[]): string {
  if (list.length === 0) return '–'
  const [low, middle, high] = [0, 0.5, 1].map(share => quantile(list, share).toFixed(1))
  return `${middle} (${low}–${high})`
}

/** Medians (lowest – highest) of both, and how many times ours the other takes. */
function report(services: number, ours: readonly Round[], floor: readonly Round[]): void {
  console.log(
    `\n${services} Services × 2 endpoints: ${values.backend} | kube-proxy's shape | ratio`,
  )
  for (const column of columns) {
    const [a, b] = [some(ours, column), some(floor, column)]
    const ratio =
      a.length && b.length ? `${(quantile(b, 0.5) / quantile(a, 0.5)).toFixed(1)} ×` : ''
    console.log(`${column.name.padEnd(38)} ${cell(a).padEnd(24)} ${cell(b).padEnd(26)} ${ratio}`)
  }
}

if (values.round !== undefined) {
  console.log(JSON.stringify(await runRound(JSON.parse(values.round) as RoundOptions)))
} else {
  // The node needs some route to the cluster IPs, else its own connections end before any rule. What goes to pods ends at
  // the other end of the link, and its conntrack entries soon after.
  const setUp = [
    'ip link add pods0 type veth peer name pods1',
    'ip link set pods0 up arp off',
    'ip link set pods1 up',
    'ip address add 10.0.0.1/32 dev pods0',
    'ip route add 10.0.0.0/8 dev pods0',
    'sysctl -qw net.netfilter.nf_conntrack_udp_timeout=1',
  ]
  for (const line of setUp) execFileSync('sh', ['-c', line])
  const backend = values.backend as ProxyMode
  const churnSeconds = Number(values.churn)
  const [ours, floor]: [Round[], Round[]] = [[], []]
  const services = Number(values.services)
  for (let round = 0; round < Number(values.rounds); round++) {
    ours.push(inChild({ services, backend, churnSeconds }))
    floor.push(inChild({ services, backend: 'kube-shape', churnSeconds }))
  }
  report(services, ours, floor)
  for (const scale of values.scale.split(',').filter(text => text !== '')) {
    const { costUs, baseCostUs } = inChild({ services: Number(scale), backend, churnSeconds: 0 })
    const [cost, base] = [costUs.toFixed(2), baseCostUs.toFixed(2)]
    console.log(
      `first packet of a connection at ${scale} Services: ${cost} µs of CPU (without: ${base})`,
    )
  }
}
