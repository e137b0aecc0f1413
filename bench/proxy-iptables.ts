// Mode iptables beside what rules of this shape cost alone: the same ones, loaded by one iptables-restore.
// In a network namespace of its own: scripts/in-namespace.sh node bench/proxy-iptables.ts [SERVICES] [nft|legacy]
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { type EndpointSlice, SERVICE_NAME_LABEL, type Service } from '#cluster/objects.ts'
import { type Iptables, installedIptables } from '#linux/iptables.ts'
import { parsePrefix } from '#net/prefix.ts'
import { systemClock } from '#runtime/clock.ts'
import { ChangeTracker } from '../src/proxy/change-tracker.ts'
import { IptablesBackend } from '../src/proxy/iptables/backend.ts'
import { endpoint, service, slice } from '../test/helper/cluster.ts'
import { formatMs, quantile, residentMiB, timed } from './measure.ts'

const CHANGES = 20
const noSignal = new AbortController().signal
const ip = (base: string, index: number) => `${base}.${index >> 8}.${index & 255}`

const serviceOf = (index: number): Service =>
  service({ name: `s${index}`, clusterIP: ip('10.96', index), ipFamilies: [4] })

const sliceOf = (index: number, addresses: readonly string[]): EndpointSlice =>
  slice({
    name: `s${index}-x`,
    labels: { [SERVICE_NAME_LABEL]: `s${index}` },
    endpoints: addresses.map(address => endpoint(address)),
  })

const podsOf = (index: number) => [ip('10.128', index), ip('10.129', index)]

function trackerOf(services: number): ChangeTracker {
  const tracker = new ChangeTracker(4, { nodeName: 'node-1' })
  for (let index = 0; index < services; index++) {
    const key = `default/s${index}`
    // The last one is served here, to be reached.
    const pods = index === services - 1 ? ['127.0.0.1'] : podsOf(index)
    tracker.apply({ kind: 'Service', key, before: undefined, after: serviceOf(index) })
    setSlice(tracker, index, pods)
  }
  return tracker
}

function setSlice(tracker: ChangeTracker, index: number, pods: readonly string[]): void {
  const key = `default/s${index}-x`
  const before = sliceOf(index, [])
  tracker.apply({ kind: 'EndpointSlice', key, before, after: sliceOf(index, pods) })
}

function* statesOf(tracker: ChangeTracker, services: Iterable<string> = tracker.services()) {
  for (const key of services) yield [key, tracker.stateOf(key)] as const
}

const backendOn = (iptables: Iptables): IptablesBackend =>
  new IptablesBackend({
    iptables,
    family: 4,
    detector: { by: 'source', prefix: parsePrefix('10.128.0.0/10') as never },
    masqueradeAll: false,
    nodeIPs: [],
    masqueradeBit: 14,
    dropsInvalid: true,
    hasLocalhostNodePorts: false,
    nodePortAddresses: () => 'all',
    metrics: { wrote: () => {}, restoreFailed: () => {} },
    clock: systemClock,
    checkPeriodMs: 30_000,
    watch: undefined,
  })

/** One connection through the last Service: the numbers are of rules that work. */
async function checkReachable(services: number): Promise<void> {
  const server = createServer(socket => socket.end('ok'))
  await once(server.listen(8080, '127.0.0.1'), 'listening')
  const socket = connect({ host: ip('10.96', services - 1), port: 80, timeout: 2000 })
  await once(socket, 'connect')
  socket.destroy()
  server.close()
}

async function flush(iptables: Iptables): Promise<void> {
  for (const table of ['filter', 'nat', 'mangle']) {
    const program = `iptables-${iptables.flavour}`
    execFileSync(program, ['-t', table, '-F'])
    execFileSync(program, ['-t', table, '-X'])
  }
}

const report = (name: string, ms: number) => console.log(`${name.padEnd(52)} ${formatMs(ms)}`)

/** What takes longer than the limit of a run (two minutes) counts as that. */
async function load(iptables: Iptables, text: readonly string[]): Promise<void> {
  await iptables.restore(text, noSignal).catch((error: Error) => console.log(error.message))
}

async function measure(iptables: Iptables, services: number): Promise<void> {
  console.log(
    `${services} Services × 2 endpoints, iptables-${iptables.flavour} ${iptables.version}`,
  )
  const tracker = trackerOf(services)
  let text: readonly string[] = []
  // As kube-proxy writes them: in one transaction, also of the nft flavour.
  const remembering: Iptables = {
    ...iptables,
    flavour: 'legacy',
    async restore(pieces) {
      text = [...pieces]
    },
  }
  await backendOn(remembering).replace(statesOf(tracker), noSignal)
  const whole = [text.join('')]
  report('floor: one restore of all rules', await timed(() => load(iptables, whole)))
  await flush(iptables)
  const backend = backendOn(iptables)
  const start = await timed(() => backend.replace(statesOf(tracker), noSignal))
  report('start to last Service reachable', start)
  await checkReachable(services)
  const restarted = backendOn(iptables)
  const restart = await timed(() => restarted.replace(statesOf(tracker), noSignal))
  report('restart on rules that are right', restart)
  const times: number[] = []
  for (let change = 0; change < CHANGES; change++) {
    const index = (Math.floor(change / 2) * 37) % (services - 1)
    const added = change % 2 === 0 ? [ip('10.130', index)] : []
    setSlice(tracker, index, [...podsOf(index), ...added])
    const states = () => restarted.update(statesOf(tracker, [`default/s${index}`]), noSignal)
    times.push(await timed(states))
  }
  report('one endpoint more or less, p50', quantile(times, 0.5))
  report('one endpoint more or less, p99', quantile(times, 0.99))
  console.log(`memory of the process ${await residentMiB('VmRSS')} MiB`)
  await flush(iptables)
}

const [services = '1000', only] = process.argv.slice(2)
// The node needs some route to the cluster IPs, else its own connections end before any rule.
execFileSync('ip', ['route', 'add', '10.96.0.0/12', 'dev', 'lo'])
for (const iptables of await installedIptables(4)) {
  if (only === undefined || only === iptables.flavour) await measure(iptables, Number(services))
}
