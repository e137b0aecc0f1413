// The service proxy beside rules in kube-proxy's shape; docs/performance/proxy.md tells what is measured and how:
//   scripts/in-namespace.sh node bench/proxy.ts [--full] [--contestants nftables,iptables-nft,iptables-legacy,ipvs]
//     [--services 1000] [--rounds 1] [--churn 5] [--scale 1,1000] [--limit 120] [--minutes 15] [--markdown FILE] [--json FILE] [--trace]
// Each round is a process of its own on an empty kernel; ours and the other take turns. A round that takes longer than
// --limit seconds is given up and not repeated; after --minutes no round begins. --trace tells what
// the slowest changes of each round were spent with.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { type ContestantName, contestants, obstacleTo } from './proxy/contestant.ts'
import { type Cost, costTable, type Duel, duelTable, type Rounds } from './proxy/report.ts'
import { type Round, type RoundOptions, runRound } from './proxy/round.ts'

const short = {
  services: '1000',
  rounds: '1',
  churn: '5',
  scale: '1,1000',
  limit: '120',
  minutes: '15',
}
const full = {
  services: '10000,30000',
  rounds: '3',
  churn: '30',
  scale: '1,1000,10000,30000',
  limit: '400',
  minutes: '120',
}

const option = { type: 'string' } as const
const { values: given } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    contestants: { ...option, default: Object.keys(contestants).join() },
    services: option,
    rounds: option,
    churn: option,
    scale: option,
    limit: option,
    minutes: option,
    markdown: option,
    json: option,
    trace: { type: 'boolean', default: false },
    /** A round to run in this process. */
    round: option,
  },
})
const values = { ...(given.full ? full : short), ...given }
const numbers = (list: string) => list.split(',').filter(Boolean).map(Number)
const endMs = performance.now() + Number(values.minutes) * 60_000

/** undefined when it took too long or failed. */
async function inChild(options: RoundOptions): Promise<Round | undefined> {
  const args = [process.argv[1] as string, '--round', JSON.stringify(options)]
  // With a process group of its own, so that what it started can be ended with it.
  const child = spawn(process.execPath, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const timer = setTimeout(() => endGroup(child), Number(values.limit) * 1000)
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  clearTimeout(timer)
  endGroup(child)
  return code === 0 ? (JSON.parse(said) as Round) : undefined
}

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // All of it has ended.
  }
}

type Collected = { readonly rounds: Round[]; gaveUp: boolean }

async function collect(into: Collected, options: RoundOptions): Promise<void> {
  if (into.gaveUp || performance.now() > endMs) return
  const { contestant, isFloor, services } = options
  process.stderr.write(`${contestant}${isFloor ? ' floor' : ''}, ${services} Services\n`)
  const round = await inChild(options)
  if (round === undefined) into.gaveUp = true
  else into.rounds.push(round)
}

const hasFloor = (name: ContestantName): boolean => 'floor' in contestants[name]

async function duel(contestant: ContestantName, services: number): Promise<Duel> {
  const ours: Collected = { rounds: [], gaveUp: false }
  const floor: Collected = { rounds: [], gaveUp: false }
  const options = { contestant, services, churnSeconds: Number(values.churn), isCostOnly: false }
  for (let round = 0; round < Number(values.rounds); round++) {
    await collect(ours, { ...options, isFloor: false, isTraced: values.trace })
    if (hasFloor(contestant)) await collect(floor, { ...options, isFloor: true })
  }
  return { contestant, services, ours, floor }
}

async function cost(contestant: ContestantName, services: number): Promise<Cost> {
  const ours: Rounds & Collected = { rounds: [], gaveUp: false }
  const options = { contestant, services, isFloor: false, churnSeconds: 0, isCostOnly: true }
  for (let round = 0; round < Number(values.rounds); round++) await collect(ours, options)
  return { contestant, services, ours }
}

/**
 * The node needs some route to the cluster IPs, else its own connections end before any rule. What goes to pods ends at the
 * other end of the link, and its conntrack entries soon after.
 */
function setUpNode(): void {
  const lines = [
    'ip link add pods0 type veth peer name pods1',
    'ip link set pods0 up arp off',
    'ip link set pods1 up',
    'ip address add 10.0.0.1/32 dev pods0',
    'ip route add 10.0.0.0/8 dev pods0',
    // The probe's connections come from here, each from another address.
    'ip route add local 198.18.0.0/15 dev lo',
    'sysctl -eqw net.netfilter.nf_conntrack_udp_timeout=1',
  ]
  for (const line of lines) execFileSync('sh', ['-c', line])
}

function report(duels: readonly Duel[], costs: readonly Cost[]): void {
  const tables = [...duels.map(duelTable), ...(costs.length === 0 ? [] : [costTable(costs)])]
  const { markdown, json } = values
  if (markdown !== undefined) writeFileSync(markdown, tables.join('\n'))
  const date = new Date().toISOString()
  if (json !== undefined)
    writeFileSync(json, JSON.stringify({ date, values, duels, costs }, null, 2))
}

async function runAll(): Promise<void> {
  setUpNode()
  const wanted = values.contestants.split(',') as readonly ContestantName[]
  const unknown = wanted.find(name => !Object.hasOwn(contestants, name))
  if (unknown !== undefined) throw new Error(`no contestant ${unknown}`)
  const names: ContestantName[] = []
  for (const name of wanted) {
    const obstacle = await obstacleTo(contestants[name])
    if (obstacle === undefined) names.push(name)
    else console.log(`${name}: skipped, ${obstacle}`)
  }
  const [duels, costs]: [Duel[], Cost[]] = [[], []]
  for (const services of numbers(values.services)) {
    for (const name of names) {
      const done = await duel(name, services)
      duels.push(done)
      console.log(duelTable(done))
      // Each time, so that what was measured is not lost with what follows.
      report(duels, costs)
    }
  }
  for (const services of numbers(values.scale)) {
    for (const name of names) {
      costs.push(await cost(name, services))
      report(duels, costs)
    }
  }
  if (costs.length > 0) console.log(costTable(costs))
}

if (values.round === undefined) await runAll()
else console.log(JSON.stringify(await runRound(JSON.parse(values.round) as RoundOptions)))
