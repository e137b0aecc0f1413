import { pino } from 'pino'
import t from 'tap'
import type { ClusterEvent } from '#cluster/events.ts'
import type { Node, Service } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import type { IpFamily } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { type Clock, systemClock } from '#runtime/clock.ts'
import { type Logger, silentLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import type { BackendModule, CleanupOptions } from '../../src/proxy/backend.ts'
import { runProxy } from '../../src/proxy/main.ts'
import type { ProxyMode } from '../../src/proxy/settings.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
import { eventually } from '../helper/eventually.ts'
import { freePort } from '../helper/free-port.ts'

type Fakes = {
  /** Families that never end their writing. */
  readonly stuck?: readonly IpFamily[]
  readonly drain?: BackendModule['drain']
  readonly clock?: Clock
  readonly log?: Logger
  readonly isHealthy?: () => boolean
  readonly nodePortAddresses?: readonly IpPrefix[]
}

/** A proxy on backends that note what is done. */
function setUp({ stuck = [], drain, clock, log = silentLogger(), ...options }: Fakes = {}) {
  const store = new Store()
  const stop = new AbortController()
  const calls: string[] = []
  const health: string[] = []
  const cleanups: Partial<Record<ProxyMode, CleanupOptions>> = {}
  const events: ClusterEvent[] = []
  const moduleOf = (mode: ProxyMode): BackendModule => ({
    async prepareKernel() {},
    async open({ family }) {
      const call = async (kind: string) => {
        if (stuck.includes(family)) await Promise.withResolvers<void>().promise
        calls.push(`${kind} IPv${family}`)
      }
      return {
        name: mode,
        replace: () => call('replace'),
        update: () => call('update'),
        async [Symbol.asyncDispose]() {},
      }
    },
    async cleanup(options) {
      cleanups[mode] = options
      if (mode === 'ipvs') throw new Error('stuck')
    },
    ...(mode === 'ipvs' && drain !== undefined ? { drain } : {}),
  })
  const ended = runProxy(
    {
      store,
      settings: {
        nodeName: 'node-1',
        families: [4, 6],
        mode: 'nftables',
        clusterCIDRs: [],
        masqueradeAll: false,
        nodePortAddresses: options.nodePortAddresses ?? [],
      },
      isHealthy: options.isHealthy,
      log,
      clock,
      metrics: createMetrics(),
      onEvent: event => events.push(event),
      onQueued: family => health.push(`queued IPv${family}`),
      onProgrammed: ({ family }) => health.push(`programmed IPv${family}`),
      backends: { modes: ['ipvs', 'iptables', 'nftables'], load: async mode => moduleOf(mode) },
    },
    stop.signal,
  )
  t.teardown(() => stop.abort())
  store.set('Service', service())
  store.replaceAll('Service', [...store.list('Service')])
  return {
    store,
    stop,
    ended,
    calls,
    health,
    cleanups,
    sync: () => store.replaceAll('EndpointSlice', []),
  }
}

t.test('other modes are cleaned up after the own work, whatever becomes of one', async t => {
  const { calls, cleanups, sync, stop, ended } = setUp()
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(cleanups, {})
  sync()
  await eventually('all modes', () => Object.keys(cleanups).length === 3)
  t.strictSame(calls.toSorted(), ['replace IPv4', 'replace IPv6'])
  t.match(cleanups, {
    ipvs: { inUse: 'nftables', foreignOnly: undefined },
    iptables: { inUse: 'nftables', foreignOnly: undefined },
    nftables: { inUse: 'nftables', foreignOnly: true },
  })
  stop.abort()
  await t.resolves(ended)
})

t.test('a drain that fails is tried again, with waits that grow, until it ends', async t => {
  let tries = 0
  const waitsMs: number[] = []
  const said: { reason: string }[] = []
  const { sync, stop, ended } = setUp({
    async drain() {
      tries++
      if (tries < 4) throw new Error('ENOBUFS')
    },
    clock: { ...systemClock, sleep: async ms => void waitsMs.push(ms) },
    log: pino({ level: 'error' }, { write: line => void said.push(JSON.parse(line) as never) }),
  })
  sync()
  await eventually('the drain to end', () => tries === 4)
  await new Promise(resolve => setImmediate(resolve))
  t.equal(tries, 4)
  t.strictSame(
    said.map(({ reason }) => reason),
    ['rules are left over: ipvs: stuck', 'ENOBUFS'],
    'a reason is told once',
  )
  // Each is between half of and the whole of twice the one before.
  const grows = [500, 1000, 2000].every((least, index) => (waitsMs[index] ?? 0) >= least)
  t.ok(waitsMs.length === 3 && grows, waitsMs.join())
  stop.abort()
  await t.resolves(ended)
})

t.test('a change is told when it comes, and when a family has it', async t => {
  const { store, health, sync } = setUp({ stuck: [6] })
  sync()
  await eventually('the first rules', () => health.includes('programmed IPv4'))
  t.strictSame(health.splice(0).toSorted(), ['programmed IPv4', 'queued IPv4', 'queued IPv6'])
  store.set('Service', service({ clusterIP: '10.96.0.2' }))
  await eventually('the next', () => health.length === 2)
  t.strictSame(health, ['queued IPv4', 'programmed IPv4'])
})

t.test('another zone of the own Node has everything compared', async t => {
  const { store, calls, sync } = setUp()
  const inZone = (zone: string): Node => ({
    kind: 'Node',
    metadata: { name: 'node-1', namespace: '', labels: { 'topology.kubernetes.io/zone': zone } },
    addresses: [],
    podCIDRs: [],
    taints: [],
    deleting: false,
  })
  sync()
  await eventually('the first rules', () => calls.length === 2)
  store.set('Node', inZone('a'))
  await eventually('the second', () => calls.length === 4)
  t.strictSame(calls.slice(2).toSorted(), ['replace IPv4', 'replace IPv6'])
})

t.test('a family that hangs does not hold the other, but nothing is cleaned up', async t => {
  const { store, calls, cleanups, sync } = setUp({ stuck: [6] })
  sync()
  await eventually('the first rules', () => calls.length === 1)
  for (let round = 2; round < 5; round++) {
    store.set('Service', service({ clusterIP: `10.96.0.${round}` }))
    await eventually('a change', () => calls.length === round)
  }
  t.strictSame(calls, ['replace IPv4', 'update IPv4', 'update IPv4', 'update IPv4'])
  t.strictSame(cleanups, {})
})

t.test(
  'health checks listen where node ports answer, and fail while the proxy does not keep up',
  async t => {
    let isHealthy = true
    const nodePortAddresses = ['127.0.0.1/32', '::1/128'].map(text => parsePrefix(text) as IpPrefix)
    const { store } = setUp({ isHealthy: () => isHealthy, nodePortAddresses })
    const port = await freePort()
    const status = async (host: string) => (await fetch(`http://${host}:${port}/`)).status
    const balanced = (fields: Partial<Service>) =>
      store.set(
        'Service',
        service({
          clusterIP: '10.96.0.10',
          clusterIPs: ['10.96.0.10', 'fd00::10'],
          ipFamilies: [4, 6],
          type: 'LoadBalancer',
          externalTrafficPolicy: 'Local',
          healthCheckNodePort: port,
          ports: [servicePort({ nodePort: 30080 })],
          ...fields,
        }),
      )
    balanced({})
    store.replaceAll('EndpointSlice', [slice({ endpoints: [endpoint('10.0.0.1')] })])
    t.equal(await eventually('the check of IPv4', () => status('127.0.0.1')), 200)
    t.equal(await eventually('the check of IPv6', () => status('[::1]')), 503, 'it has no endpoint')
    await t.rejects(status('127.0.0.2'), 'an address that is not selected')
    isHealthy = false
    t.equal(await status('127.0.0.1'), 503)
    isHealthy = true
    t.equal(await status('127.0.0.1'), 200)
    balanced({ externalTrafficPolicy: 'Cluster' })
    await eventually('its end', () =>
      status('127.0.0.1').then(
        () => false,
        () => true,
      ),
    )
  },
)
