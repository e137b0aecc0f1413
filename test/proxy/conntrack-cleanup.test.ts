import t from 'tap'
import type { EndpointSlice, Service } from '#cluster/objects.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import { Backoff } from '#runtime/backoff.ts'
import type { Clock } from '#runtime/clock.ts'
import { silentLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { ChangeTracker } from '../../src/proxy/change-tracker.ts'
import { ConntrackCleanup } from '../../src/proxy/conntrack-cleanup.ts'
import { createProxyMetrics } from '../../src/proxy/metrics.ts'
import type { Destination, Flow } from '../../src/proxy/udp-destinations.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
import { eventually } from '../helper/eventually.ts'

const flow = (replySource: string): Flow => ({
  destination: parseIp('10.96.0.10') as IpAddress,
  destinationPort: 53,
  replySource: parseIp(replySource) as IpAddress,
  replySourcePort: 5353,
})

const objects = (protocol: Protocol, ...pods: readonly string[]) => [
  service({ ports: [servicePort({ protocol, port: 53 })] }),
  slice({ ports: [{ name: '', protocol, port: 5353 }], endpoints: pods.map(ip => endpoint(ip)) }),
]

/** A clean-up on a table that notes what is done to it; the clock's second passes with each listing. */
function setUp() {
  const stop = new AbortController()
  const registry = createMetrics()
  const tracker = new ChangeTracker(4, { nodeName: 'node-1' })
  const state = { flows: [] as Flow[], fail: 0, listings: 0, closed: 0, now: 0, canPaths: false }
  const waits: number[] = []
  const asked: (Destination | undefined)[] = []
  const hold = { release: () => {}, isOn: false }
  const clock: Clock = {
    now: () => 0,
    monotonic: () => state.now,
    sleep: async ms => {
      waits.push(ms)
    },
  }
  const cleanup = new ConntrackCleanup<Flow>({
    family: 4,
    tracker,
    nodePortAddresses: [],
    hasLocalhostNodePorts: false,
    open: () => ({
      async listUdp({ destination }, isWanted) {
        state.listings++
        asked.push(destination)
        state.now += 1000
        if (hold.isOn) await new Promise<void>(resolve => (hold.release = resolve))
        if (state.fail-- > 0) throw new Error('refused')
        const { address, port } = destination ?? {}
        return state.flows
          .filter(flow => port === undefined || flow.destinationPort === port)
          .filter(flow => address === undefined || flow.destination === address)
          .filter(isWanted)
      },
      async deleteAll(entries) {
        const before = state.flows.length
        state.flows = state.flows.filter(other => !entries.includes(other))
        return before - state.flows.length
      },
      async deletePaths(_, paths) {
        if (!state.canPaths) return undefined
        state.now += 1
        const before = state.flows.length
        state.flows = state.flows.filter(
          flow =>
            !paths.some(
              ({ destination, replySource }) =>
                destination.address === flow.destination &&
                destination.port === flow.destinationPort &&
                replySource.address === flow.replySource &&
                replySource.port === flow.replySourcePort,
            ),
        )
        return before - state.flows.length
      },
      [Symbol.dispose]: () => state.closed++,
    }),
    metrics: createProxyMetrics(registry, 'nftables')(4),
    log: silentLogger(),
    clock,
    backoff: new Backoff({ initialMs: 100, maxMs: 1000, jitter: 0 }),
  })
  const apply = (list: readonly (Service | EndpointSlice)[]) => {
    const changed = list.flatMap(after =>
      tracker.apply({ kind: after.kind, key: `default/${after.metadata.name}`, after } as never),
    )
    cleanup.note(new Set(changed))
  }
  const remove = () => {
    const gone = { kind: 'Service', key: 'default/web', after: undefined }
    cleanup.note(tracker.apply(gone as never))
  }
  const ended = cleanup.run(stop.signal)
  t.teardown(() => stop.abort())
  return { state, hold, waits, asked, registry, cleanup, apply, remove, stop, ended }
}

t.test('stale flows are deleted and counted, others stay', async t => {
  const { state, apply, registry, waits, stop, ended } = setUp()
  const [old, good] = [flow('10.0.0.1'), flow('10.0.0.2')]
  state.flows = [old, good]
  apply(objects('UDP', '10.0.0.2'))
  await eventually('the end of the clean-up', () => waits.length === 1)
  t.strictSame(state.flows, [good])
  t.equal(state.closed, 0, 'closing it would wait for nftables')
  stop.abort()
  await ended
  t.equal(state.closed, 1)
  const text = await registry.metrics()
  for (const line of [
    'kubeproxy_conntrack_reconciler_sync_duration_seconds_count{ip_family="IPv4"} 1',
    'kubeproxy_conntrack_reconciler_sync_duration_seconds_bucket{le="16.384",ip_family="IPv4"} 1',
    'kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv4"} 1',
  ]) {
    t.ok(text.split('\n').includes(line), line)
  }
  t.strictSame(waits, [100])
})

t.test('few changed destinations are asked for alone, many by one list of all', async t => {
  const { state, apply, asked, waits } = setUp()
  const ports = [servicePort({ protocol: 'UDP', port: 53, nodePort: 30053 })]
  apply([service({ ports })])
  await eventually('the end of the clean-up', () => waits.length === 1)
  t.strictSame(asked.splice(0), [{ address: '10.96.0.10', port: 53 }, { port: 30053 }])
  const many = Array.from({ length: 9 }, (_, i) =>
    servicePort({ name: `p${i}`, protocol: 'UDP', port: 100 + i }),
  )
  state.flows = [{ ...flow('10.0.0.1'), destinationPort: 108 }]
  apply([service({ ports: many })])
  await eventually('the next', () => waits.length === 2)
  t.strictSame(asked, [undefined])
  t.strictSame(state.flows, [])
  // Where all are gone through, others have to come to their turn, but clients must not wait for long.
  t.equal(waits[1], 1000)
})

t.test('where it is known which flows became stale they are not listed', async t => {
  const { state, apply, waits } = setUp()
  state.canPaths = true
  const [old, good] = [flow('10.0.0.1'), flow('10.0.0.2')]
  state.flows = [old, good]
  apply(objects('UDP', '10.0.0.1', '10.0.0.2'))
  await eventually('the first, of a destination nobody has seen', () => waits.length === 1)
  t.equal(state.listings, 1)
  apply(objects('UDP', '10.0.0.2'))
  await eventually('the next', () => waits.length === 2)
  t.strictSame(state.flows, [good])
  t.equal(state.listings, 1)
  t.equal(waits[1], 9, 'it took a millisecond')
  const many = Array.from({ length: 9 }, (_, i) => `10.0.1.${i}`)
  apply(objects('UDP', '10.0.0.2', ...many))
  await eventually('one without anything to delete', () => waits.length === 3)
  apply(objects('UDP', '10.0.0.2'))
  await eventually('one of too many paths', () => waits.length === 4)
  t.equal(state.listings, 2)
})

t.test('nothing is listed when no UDP port changed: entries of TCP and SCTP stay', async t => {
  const { state, apply, waits } = setUp()
  for (const protocol of ['TCP', 'SCTP'] as const) {
    apply(objects(protocol, '10.0.0.2'))
    apply(objects(protocol, '10.0.0.3'))
    apply(objects(protocol))
  }
  await new Promise(resolve => setImmediate(resolve))
  t.equal(state.listings, 0)
  apply(objects('UDP', '10.0.0.2'))
  await eventually('the end of the clean-up', () => waits.length === 1)
  apply(objects('UDP', '10.0.0.2'))
  await new Promise(resolve => setImmediate(resolve))
  t.equal(state.listings, 1)
})

t.test(
  'rules were gone and are back: flows that were not translated meanwhile are deleted',
  async t => {
    const { state, apply, cleanup, waits } = setUp()
    apply(objects('UDP', '10.0.0.2'))
    await eventually('the end of the clean-up', () => waits.length === 1)
    const [good, untranslated] = [flow('10.0.0.2'), flow('10.96.0.10')]
    state.flows = [good, untranslated]
    cleanup.noteRepair()
    await eventually('another clean-up', () => waits.length === 2)
    t.strictSame(state.flows, [good])
  },
)

t.test('changes during a clean-up are one afterwards', async t => {
  const { state, hold, apply, waits } = setUp()
  hold.isOn = true
  apply(objects('UDP', '10.0.0.1'))
  await eventually('the listing', () => state.listings === 1)
  apply(objects('UDP', '10.0.0.2'))
  apply(objects('UDP', '10.0.0.3'))
  hold.isOn = false
  hold.release()
  await eventually('the second clean-up', () => waits.length === 2)
  t.equal(state.listings, 2)
})

t.test('a failed clean-up is tried again, after growing waits', async t => {
  const { state, apply, waits } = setUp()
  state.fail = 2
  const good = flow('10.0.0.2')
  state.flows = [flow('10.0.0.1'), good]
  apply(objects('UDP', '10.0.0.2'))
  await eventually('the third', () => waits.length === 3)
  t.equal(state.closed, 2, 'after each failure')
  t.strictSame(state.flows, [good])
  t.strictSame(waits, [200, 300, 100])
})

t.test('what a failed one had to do at a destination that is gone is done by the next', async t => {
  const { state, apply, remove, waits } = setUp()
  apply(objects('UDP', '10.0.0.1'))
  await eventually('the first', () => waits.length === 1)
  state.fail = 1
  state.flows = [flow('10.0.0.1')]
  remove()
  await eventually('the second try', () => waits.length === 3)
  t.strictSame(state.flows, [])
})

t.test('a Service that comes after its slices, and one that loses all endpoints', async t => {
  const { state, apply, waits } = setUp()
  const [web, pods] = objects('UDP', '10.0.0.2') as [Service, EndpointSlice]
  apply([pods])
  await new Promise(resolve => setImmediate(resolve))
  t.equal(state.listings, 0)
  // From before the Service: never translated, so the answers come from the cluster IP itself.
  state.flows = [{ ...flow('10.96.0.10'), replySourcePort: 53 }]
  apply([web])
  await eventually('the clean-up', () => waits.length === 1)
  t.strictSame(state.flows, [])
  state.flows = [flow('10.0.0.2')]
  apply([{ ...pods, endpoints: [] }])
  await eventually('the next', () => waits.length === 2)
  t.strictSame(state.flows, [])
})

t.test('it ends when it is aborted', async t => {
  const { stop, ended } = setUp()
  stop.abort()
  await t.resolves(ended)
})
