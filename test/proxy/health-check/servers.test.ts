import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import type { ClusterEvent } from '#cluster/events.ts'
import { formatHostPort, type IpAddress, type IpFamily } from '#net/ip.ts'
import { Backoff } from '#runtime/backoff.ts'
import { errnoCode } from '#runtime/error.ts'
import { silentLogger } from '#runtime/log.ts'
import type { HealthCheck } from '../../../src/proxy/health-check/plan.ts'
import { HealthCheckServers } from '../../../src/proxy/health-check/servers.ts'
import { eventually } from '../../helper/eventually.ts'
import { freePort } from '../../helper/free-port.ts'
import { HeldClock } from '../../helper/held-clock.ts'

function setUp(hosts: readonly string[] = ['127.0.0.1'], family: IpFamily = 4) {
  const checks = new Map<string, HealthCheck>()
  const events: ClusterEvent[] = []
  const stop = new AbortController()
  const clock = new HeldClock()
  const state = { isHealthy: true }
  const servers = new HealthCheckServers({
    family,
    tracker: { healthCheckOf: service => checks.get(service) },
    hosts: () => hosts as readonly IpAddress[],
    isHealthy: () => state.isHealthy,
    onEvent: event => events.push(event),
    log: silentLogger(),
    clock,
    backoff: new Backoff({ initialMs: 1000, maxMs: 1000, jitter: 0 }),
  })
  const ended = servers.run(stop.signal)
  t.teardown(() => stop.abort())
  return { checks, events, clock, servers, state, stop, ended }
}

async function ask(port: number, path = '/', method = 'GET', host = '127.0.0.1') {
  const at = formatHostPort(host as IpAddress, port)
  const response = await fetch(`http://${at}${path}`, { method })
  const weight = response.headers.get('x-load-balancing-endpoint-weight')
  const types = ['content-type', 'x-content-type-options'].map(name => response.headers.get(name))
  return { status: response.status, weight, types, text: await response.text() }
}
const isRefused = async (port: number, host?: string) =>
  await ask(port, '/', 'GET', host).then(
    () => false,
    error => errnoCode((error as Error).cause) === 'ECONNREFUSED',
  )

t.test('a port follows its Service: opened, counted, moved, closed', async t => {
  const { checks, servers } = setUp()
  const [first, second] = [await freePort(), await freePort()]
  checks.set('shop/web', { port: first, localEndpoints: 2 })
  servers.note(['shop/web'])
  const answer = await eventually('an answer', () => ask(first, '/any/path', 'POST'))
  t.match(answer, { status: 200, weight: '2', types: ['application/json', 'nosniff'] })
  t.match(JSON.parse(answer.text), { service: { namespace: 'shop', name: 'web' } })
  checks.set('shop/web', { port: first, localEndpoints: 0 })
  servers.note(['shop/web'])
  t.match(await ask(first), { status: 503, weight: '0' })
  checks.set('shop/web', { port: second, localEndpoints: 1 })
  servers.note(['shop/web'])
  await eventually('the other port', () => ask(second))
  t.ok(await isRefused(first))
  checks.delete('shop/web')
  servers.note(['shop/web'])
  await eventually('nobody there', () => isRefused(second))
})

t.test('a proxy that does not keep up gets no traffic by it', async t => {
  const { checks, servers, state } = setUp()
  const port = await freePort()
  checks.set('shop/web', { port, localEndpoints: 1 })
  servers.note(['shop/web'])
  await eventually('an answer', () => ask(port))
  state.isHealthy = false
  t.match(await ask(port), { status: 503, weight: '1' })
})

t.test('a port that is taken: one Event, tried again, others are not held up', async t => {
  const { checks, servers, events, clock } = setUp()
  const [port, other] = [await freePort(), await freePort()]
  const holder = createServer().listen(port, '127.0.0.1')
  await once(holder, 'listening')
  checks.set('shop/web', { port, localEndpoints: 1 })
  checks.set('shop/other', { port: other, localEndpoints: 1 })
  servers.note(['shop/web', 'shop/other'])
  await eventually('the other', () => ask(other))
  await eventually('a wait', () => clock.sleepers === 1)
  t.match(events, [
    {
      regarding: { kind: 'Service', namespace: 'shop', name: 'web' },
      type: 'Warning',
      reason: 'FailedToStartServiceHealthcheck',
      action: 'Listen',
      note: /EADDRINUSE/,
    },
  ])
  const third = await freePort()
  checks.set('shop/third', { port: third, localEndpoints: 1 })
  servers.note(['shop/third'])
  await eventually('one that comes during the wait', () => ask(third))
  clock.advance(1000)
  await eventually('the second wait', () => clock.sleepers === 1)
  holder.close()
  await once(holder, 'close')
  clock.advance(1000)
  await eventually('an answer', () => ask(port))
  t.equal(events.length, 1)
})

t.test('on all addresses or on none', async t => {
  const { checks, servers, clock } = setUp(['127.0.0.1', '192.0.2.77'])
  const port = await freePort()
  checks.set('shop/web', { port, localEndpoints: 1 })
  servers.note(['shop/web'])
  await eventually('a wait', () => clock.sleepers === 1)
  t.ok(await isRefused(port))
})

t.test('where nothing is selected: one Event, tried again until there is an address', async t => {
  const hosts: string[] = []
  const { checks, servers, events, clock } = setUp(hosts)
  const port = await freePort()
  checks.set('shop/web', { port, localEndpoints: 1 })
  servers.note(['shop/web'])
  await eventually('a wait', () => clock.sleepers === 1)
  t.match(events, [{ reason: 'FailedToStartServiceHealthcheck', note: /nodePortAddresses/ }])
  clock.advance(1000)
  await eventually('the second wait', () => clock.sleepers === 1)
  hosts.push('127.0.0.1')
  clock.advance(1000)
  t.match(await eventually('an answer', () => ask(port)), { status: 200 })
  t.equal(events.length, 1)
})

t.test('only the given addresses are listened on', async t => {
  const { checks, servers } = setUp(['127.0.0.2', '127.0.0.3'])
  const port = await freePort()
  checks.set('shop/web', { port, localEndpoints: 1 })
  servers.note(['shop/web'])
  for (const host of ['127.0.0.2', '127.0.0.3']) {
    await eventually(`an answer of ${host}`, () => ask(port, '/', 'GET', host))
  }
  t.ok(await isRefused(port))
})

t.test('both families have the port at once, each with its own count', async t => {
  const port = await freePort()
  const families = [
    { family: 4, all: '0.0.0.0', host: '127.0.0.1', localEndpoints: 1 },
    { family: 6, all: '::', host: '::1', localEndpoints: 3 },
  ] as const
  // The other family would not get the port if IPv6 took both.
  for (const order of [families, families.toReversed()]) {
    const started = order.map(({ family, all, localEndpoints }) => {
      const { checks, servers, events, stop, ended } = setUp([all], family)
      checks.set('shop/web', { port, localEndpoints })
      servers.note(['shop/web'])
      return { events, stop, ended }
    })
    for (const { host, localEndpoints } of order) {
      const answer = await eventually(`of ${host}`, () => ask(port, '/', 'GET', host))
      t.match(answer, { status: 200, weight: String(localEndpoints) })
    }
    for (const { events, stop, ended } of started) {
      t.strictSame(events, [])
      stop.abort()
      await ended
    }
  }
})

t.test('all are closed at the end', async t => {
  const { checks, servers, stop, ended } = setUp()
  const port = await freePort()
  checks.set('shop/web', { port, localEndpoints: 1 })
  servers.note(['shop/web'])
  await eventually('an answer', () => ask(port))
  stop.abort()
  await ended
  t.ok(await isRefused(port))
})
