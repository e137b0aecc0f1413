import t from 'tap'
import { Store } from '#cluster/store.ts'
import { Backoff } from '#runtime/backoff.ts'
import { silentLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { untilAborted } from '#runtime/run-together.ts'
import type { Backend, ServiceStates } from '../../src/proxy/backend.ts'
import { ChangeTracker } from '../../src/proxy/change-tracker.ts'
import { createProxyMetrics } from '../../src/proxy/metrics.ts'
import { SyncRunner } from '../../src/proxy/sync-runner.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
import { eventually } from '../helper/eventually.ts'

/** A runner on a backend that notes its calls; each call ends when the test lets it. */
function setUp() {
  const store = new Store()
  const stop = new AbortController()
  const registry = createMetrics()
  const calls: string[] = []
  const programmed: number[] = []
  const waits: number[] = []
  let queued = 0
  const state = {
    hold: false,
    fail: 0,
    /** Milliseconds that a call takes by the clock. */
    tookMs: 0,
    nowMs: 0,
    /** Milliseconds since the epoch. */
    wallMs: 5_000_000,
    release: () => {},
    lose: (_reason: string) => {},
  }
  const call = async (kind: string, states: ServiceStates) => {
    calls.push(`${kind} ${Array.from(states, ([key]) => key).join(' ')}`.trim())
    state.nowMs += state.tookMs
    if (state.hold) await new Promise<void>(resolve => (state.release = resolve))
    if (state.fail > 0) {
      state.fail--
      throw new Error('refused')
    }
  }
  const backend: Backend = {
    name: 'nftables',
    replace: states => call('replace', states),
    update: states => call('update', states),
    guard: async (lost, signal) => {
      state.lose = lost
      await untilAborted(signal)
    },
    async [Symbol.asyncDispose]() {},
  }
  const runner = new SyncRunner({
    feed: store.feed(['Service', 'EndpointSlice']),
    tracker: new ChangeTracker(4, { nodeName: 'node-1' }),
    backend,
    metrics: createProxyMetrics(registry, 'nftables')(4),
    log: silentLogger(),
    clock: {
      now: () => state.wallMs,
      monotonic: () => state.nowMs,
      sleep: async ms => {
        waits.push(ms)
      },
    },
    backoff: new Backoff({ initialMs: 100, maxMs: 1000, jitter: 0 }),
    onQueued: () => {
      queued++
    },
    onProgrammed: revision => {
      programmed.push(revision)
    },
  })
  const ended = runner.run(stop.signal)
  t.teardown(() => stop.abort())
  /** A line of /metrics without the label of the family. */
  const metric = async (name: string): Promise<number> => {
    const line = new RegExp(`^kubeproxy_${name}(?:{ip_family="IPv4"})? (\\S+)$`, 'm')
    return Number(line.exec(await registry.metrics())?.[1])
  }
  const common = { calls, programmed, waits, state, registry, metric, queued: () => queued }
  return { store, stop, ended, runner, ...common }
}

const synced = (store: Store) => {
  store.replaceAll('Service', [...store.list('Service')])
  store.replaceAll('EndpointSlice', [...store.list('EndpointSlice')])
}

t.test('nothing is written before both lists are complete, then everything', async t => {
  const { store, calls, programmed } = setUp()
  store.set('Service', service())
  store.replaceAll('EndpointSlice', [slice()])
  await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(calls, [])
  synced(store)
  await eventually('a sync', () => programmed.length > 0)
  t.strictSame(calls, ['replace default/web'])
  t.strictSame(programmed, [store.revision])
})

t.test('what somebody else changed is repaired, also when it happens during a sync', async t => {
  const { store, calls, state } = setUp()
  store.set('Service', service())
  synced(store)
  await eventually('the first sync', () => calls.length === 1)
  state.lose('a chain is gone')
  await eventually('a repair', () => calls.length === 2)
  state.hold = true
  store.set('Service', service({ name: 'other' }))
  await eventually('a change', () => calls.length === 3)
  state.lose('a chain is gone')
  state.hold = false
  state.release()
  await eventually('a second repair', () => calls.length === 4)
  t.strictSame(calls.slice(1), [
    'replace default/web',
    'update default/other',
    'replace default/web default/other',
  ])
})

t.test('an empty cluster is programmed too: what an earlier run left must go', async t => {
  const { store, calls, programmed } = setUp()
  synced(store)
  await eventually('a sync', () => programmed.length > 0)
  t.strictSame(calls, ['replace'])
})

t.test('changes that come while the kernel works are one update of what changed', async t => {
  const { store, calls, programmed, state } = setUp()
  store.set('Service', service({ name: 'a' }))
  store.set('Service', service({ name: 'b' }))
  state.hold = true
  synced(store)
  await eventually('the first call', () => calls.length === 1)
  store.set('EndpointSlice', slice({ endpoints: [endpoint('10.0.0.1')] }))
  store.set('EndpointSlice', slice({ endpoints: [endpoint('10.0.0.2')] }))
  store.set('Service', service({ name: 'b', clusterIP: '10.96.0.99' }))
  t.strictSame(programmed, [])
  state.hold = false
  state.release()
  await eventually('the second sync', () => programmed.length === 2)
  t.strictSame(calls, ['replace default/a default/b', 'update default/web default/b'])
  t.equal(programmed[1], store.revision)
})

t.test('a failed update is repaired by comparing everything, after growing waits', async t => {
  const { store, calls, programmed, waits, state, registry, metric } = setUp()
  store.set('Service', service())
  synced(store)
  await eventually('a sync', () => programmed.length === 1)
  state.fail = 3
  store.set('Service', service({ name: 'other' }))
  await eventually('the repair', () => programmed.length === 2)
  t.strictSame(calls.slice(1), [
    'update default/other',
    ...Array<string>(3).fill('replace default/web default/other'),
  ])
  t.strictSame(waits, [100, 200, 400])
  t.match(
    await registry.metrics(),
    'kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family="IPv4"} 3',
  )
  // As with kube-proxy, which observes a sync whatever becomes of it.
  t.equal(await metric('sync_proxy_rules_duration_seconds_count'), 5)
  t.equal(await metric('sync_partial_proxy_rules_duration_seconds_count'), 1)
  t.equal(await metric('sync_full_proxy_rules_duration_seconds_count'), 4)
  store.set('Service', service({ name: 'third' }))
  await eventually('the next sync', () => programmed.length === 3)
  t.equal(calls.at(-1), 'update default/third')
})

t.test('a first sync that fails is tried again by itself', async t => {
  const { store, calls, programmed, waits, state } = setUp()
  state.fail = 2
  store.set('Service', service())
  synced(store)
  await eventually('a sync', () => programmed.length === 1)
  t.strictSame(calls, Array<string>(3).fill('replace default/web'))
  t.strictSame(waits, [100, 200])
})

t.test('when the place changed everything is compared, though no object changed', async t => {
  const { store, calls, runner } = setUp()
  runner.recompute()
  store.set('Service', service())
  synced(store)
  await eventually('the first sync', () => calls.length === 1)
  runner.recompute()
  await eventually('the second', () => calls.length === 2)
  t.strictSame(calls, ['replace default/web', 'replace default/web'])
})

t.test('what changes in the other family alone is no sync, but a revision', async t => {
  const { store, calls, programmed, metric, queued } = setUp()
  store.set('Service', service())
  synced(store)
  await eventually('a sync', () => programmed.length === 1)
  store.set('EndpointSlice', slice({ name: 'six', addressType: 'IPv6' }))
  await eventually('the slice', () => programmed.length === 2)
  const six = {
    name: 'six',
    clusterIP: 'fd00::1',
    clusterIPs: ['fd00::1'],
    ipFamilies: [6] as const,
  }
  store.set('Service', service(six))
  await eventually('the Service', () => programmed.length === 3)
  store.delete('Service', 'default/six')
  await eventually('its end', () => programmed.length === 4)
  t.equal(programmed.at(-1), store.revision)
  t.strictSame(calls, ['replace default/web'])
  t.equal(queued(), 1)
  t.equal(await metric('sync_proxy_rules_duration_seconds_count'), 1)
  t.equal(await metric('sync_proxy_rules_service_changes_total'), 3)
  t.equal(await metric('sync_proxy_rules_service_changes_pending'), 0)
  t.equal(await metric('sync_proxy_rules_endpoint_changes_total'), 0, 'of the own family')
})

t.test('a Service that changes again and again while syncs fail is one that waits', async t => {
  const { store, calls, programmed, state, metric, queued } = setUp()
  store.set('Service', service())
  synced(store)
  await eventually('a sync', () => programmed.length === 1)
  state.hold = true
  state.fail = 5
  const change = (port: number) => {
    store.set('Service', service({ ports: [servicePort({ port })] }))
    store.set('EndpointSlice', slice({ endpoints: [endpoint(`10.0.0.${port}`)] }))
  }
  change(1)
  await eventually('the first try', () => calls.length === 2)
  t.equal(queued(), 2, 'it is told before the backend is called')
  for (let round = 2; round <= 5; round++) {
    change(round)
    state.release()
    await eventually('the next try', () => calls.length === round + 1)
  }
  t.equal(await metric('sync_proxy_rules_service_changes_pending'), 1)
  t.equal(await metric('sync_proxy_rules_endpoint_changes_pending'), 5)
  t.equal(await metric('sync_proxy_rules_service_changes_total'), 6)
  t.equal(programmed.length, 1)
  state.hold = false
  state.release()
  await eventually('success', () => programmed.length === 2)
  t.equal(await metric('sync_proxy_rules_service_changes_pending'), 0)
  t.equal(await metric('sync_proxy_rules_endpoint_changes_pending'), 0)
})

t.test('whatever asks for a sync is the last time that one was requested', async t => {
  const { store, calls, runner, state, metric } = setUp()
  store.set('Service', service())
  synced(store)
  await eventually('the first sync', () => calls.length === 1)
  const asks: readonly { readonly call: string; readonly ask: () => void }[] = [
    { call: 'replace default/web', ask: () => runner.recompute() },
    { call: 'replace default/web', ask: () => state.lose('a chain is gone') },
    { call: 'update', ask: () => runner.refresh() },
    { call: 'update default/b', ask: () => store.set('Service', service({ name: 'b' })) },
  ]
  for (const { call, ask } of asks) {
    state.wallMs += 1_000_000
    const before = calls.length
    ask()
    await eventually(call, () => calls.length === before + 1)
    t.equal(calls.at(-1), call)
    t.equal(await metric('sync_proxy_rules_last_queued_timestamp_seconds'), state.wallMs / 1000)
  }
})

t.test('a slice that changes without a new trigger time is no sample of latency', async t => {
  const { store, programmed, metric } = setUp()
  const change = (ip: string, lastChangeTriggerTimeMs: number | undefined) =>
    store.set('EndpointSlice', slice({ endpoints: [endpoint(ip)], lastChangeTriggerTimeMs }))
  change('10.0.0.1', 5_000_000)
  synced(store)
  await eventually('a sync', () => programmed.length === 1)
  const samples = () => metric('network_programming_duration_seconds_count')
  t.equal(await samples(), 1)
  change('10.0.0.2', 5_000_000)
  await eventually('the same trigger', () => programmed.length === 2)
  t.equal(await samples(), 1)
  change('10.0.0.3', undefined)
  await eventually('none', () => programmed.length === 3)
  t.equal(await samples(), 1)
  change('10.0.0.4', 5_000_001)
  await eventually('another one', () => programmed.length === 4)
  t.equal(await samples(), 2)
})

t.test('ports under policy Local that have endpoints elsewhere only are counted', async t => {
  const { store, programmed, registry } = setUp()
  const elsewhere = endpoint('10.0.0.1', { nodeName: 'node-2' })
  store.set('Service', service({ internalTrafficPolicy: 'Local' }))
  store.set('EndpointSlice', slice({ endpoints: [elsewhere] }))
  synced(store)
  await eventually('a sync', () => programmed.length === 1)
  const count = async (policy: string) =>
    (await registry.metrics()).match(
      new RegExp(`no_local_endpoints_total{.*traffic_policy="${policy}"} (\\d)`),
    )?.[1]
  t.equal(await count('internal'), '1')
  t.equal(await count('external'), '0')
  store.set('EndpointSlice', slice({ endpoints: [elsewhere, endpoint('10.0.0.2')] }))
  await eventually('the next', () => programmed.length === 2)
  t.equal(await count('internal'), '0')
  const balanced = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' } as const
  const ports = [servicePort({ nodePort: 30080 }), servicePort({ name: 'b', nodePort: 30081 })]
  store.set('Service', service({ ...balanced, ports }))
  store.set('EndpointSlice', slice({ endpoints: [elsewhere] }))
  await eventually('policy Local outside', () => programmed.length === 3)
  // Port b has no endpoints anywhere: its connections are refused, not dropped.
  t.equal(await count('external'), '1')
  t.equal(await count('internal'), '0')
  store.delete('Service', 'default/web')
  await eventually('the end of the Service', () => programmed.length === 4)
  t.equal(await count('external'), '0')
})

t.test('a storm of changes: one call at a time, and each has all that came before it', async t => {
  const { store, calls, programmed, state } = setUp()
  state.hold = true
  synced(store)
  await eventually('the first sync', () => calls.length === 1)
  for (let round = 0; round < 5; round++) {
    for (let flap = 0; flap < 100; flap++) {
      store.set('EndpointSlice', slice({ endpoints: [endpoint(`10.0.${round}.${flap}`)] }))
    }
    state.release()
    await eventually('the next call', () => calls.length === round + 2)
    t.equal(programmed.length, round + 1)
  }
  state.hold = false
  state.release()
  await eventually('the end', () => programmed.at(-1) === store.revision)
  t.strictSame(calls, ['replace', ...Array<string>(5).fill('update default/web')])
})

t.test('the metrics have the names and labels of kube-proxy', async t => {
  const { store, programmed, registry } = setUp()
  store.set('Service', service())
  store.set('EndpointSlice', slice({ lastChangeTriggerTimeMs: 5_000_000 }))
  store.set('EndpointSlice', slice({ name: 'old', lastChangeTriggerTimeMs: 4_999_999 }))
  synced(store)
  await eventually('a sync', () => programmed.length === 1)
  const text = await registry.metrics()
  for (const line of [
    'kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1',
    'kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1',
    'kubeproxy_sync_proxy_rules_duration_seconds_bucket{le="16.384",ip_family="IPv4"} 1',
    'kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} 5000',
    'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} 5000',
    'kubeproxy_sync_proxy_rules_endpoint_changes_total 2',
    'kubeproxy_sync_proxy_rules_endpoint_changes_pending 0',
    'kubeproxy_sync_proxy_rules_service_changes_total 1',
    'kubeproxy_sync_proxy_rules_service_changes_pending 0',
    // The other slice was triggered before this process started.
    'kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"} 1',
    'kubeproxy_network_programming_duration_seconds_bucket{le="300",ip_family="IPv4"} 1',
  ]) {
    t.ok(text.split('\n').includes(line), line)
  }
})

t.test('it ends when it is aborted', async t => {
  const { store, stop, ended, programmed } = setUp()
  synced(store)
  await eventually('a sync', () => programmed.length === 1)
  stop.abort()
  await t.resolves(ended)
})

t.test('in a storm of changes syncs are apart, single changes never wait', async t => {
  const { store, state, calls, waits } = setUp()
  state.tookMs = 10
  const names = ['a', 'b', 'c', 'd', 'e']
  for (const name of names) store.set('Service', service({ name }))
  synced(store)
  await eventually('the first sync', () => calls.length === 1)
  t.strictSame(waits, [], 'everything at the start is no storm')
  const change = (name: string, port: number) =>
    store.set('Service', service({ name, ports: [servicePort({ port })] }))
  for (const name of names.slice(1)) change(name, 81)
  await eventually('four', () => calls.length === 2)
  t.strictSame(waits, [])
  for (const name of names) change(name, 82)
  await eventually('five', () => calls.length === 3)
  await eventually('a rest of twice as long', () => waits.length === 1)
  t.equal(waits[0], 20)
  state.tookMs = 400
  for (const name of names) change(name, 83)
  await eventually('five again', () => waits.length === 2)
  t.equal(waits[1], 50, 'there is a limit')
})
