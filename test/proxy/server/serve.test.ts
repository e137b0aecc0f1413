import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { type Clock, systemClock } from '#runtime/clock.ts'
import { type LogLevel, silentLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { defaultConfig, type ProxyConfig } from '../../../src/proxy/config/schema.ts'
import { registerComponentMetrics } from '../../../src/proxy/server/component-metrics.ts'
import { ProxyHealth } from '../../../src/proxy/server/health.ts'
import { metricsRoutes } from '../../../src/proxy/server/metrics.ts'
import { type ServeOptions, serve } from '../../../src/proxy/server/serve.ts'
import { eventually } from '../../helper/eventually.ts'

const routesOf = (
  fields: Partial<ProxyConfig> = {},
  metrics = createMetrics(),
  setLevel: (level: LogLevel) => void = () => {},
) =>
  metricsRoutes({
    metrics,
    config: { ...defaultConfig(), ...fields },
    mode: 'nftables',
    health: new ProxyHealth({ families: [4, 6], syncPeriodMs: 30_000 }, systemClock),
    nowMs: () => 1_700_000_000_000,
    setLevel,
  })

const optionsFor = (address: string, fields: Partial<ServeOptions> = {}): ServeOptions => ({
  name: 'test',
  address,
  routes: routesOf(),
  hardFail: false,
  log: silentLogger(),
  clock: systemClock,
  ...fields,
})

/** A port of loopback that another server holds until `release`. */
async function heldPort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    release: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}

t.test('an empty address is no server', async t => {
  await serve(optionsFor(''), new AbortController().signal)
  t.pass('returned')
})

t.test('with bindAddressHardFail an address in use is an error', async t => {
  const held = await heldPort()
  const failures: unknown[] = []
  const onFailure = (error: unknown) => failures.push(error)
  const options = optionsFor(`127.0.0.1:${held.port}`, { hardFail: true, onFailure })
  await t.rejects(serve(options, new AbortController().signal), { code: 'EADDRINUSE' })
  t.match(failures, [{ code: 'EADDRINUSE' }])
  await held.release()
})

t.test('without it the bind is tried again; the paths of the metrics server', async t => {
  const held = await heldPort()
  const stop = new AbortController()
  const waits: number[] = []
  const clock: Clock = {
    ...systemClock,
    sleep: async ms => {
      waits.push(ms)
      await held.release()
    },
  }
  const serving = serve(optionsFor(`127.0.0.1:${held.port}`, { clock }), stop.signal)
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${held.port}${path}`)
    const options = response.headers.get('x-content-type-options')
    return { type: response.headers.get('content-type'), options, text: await response.text() }
  }
  const mode = await eventually('the server', () => get('/proxyMode'))
  t.strictSame(waits, [5000])
  t.strictSame(mode, {
    type: 'text/plain; charset=utf-8',
    options: 'nosniff',
    text: 'nftables',
  })
  t.equal((await get('/healthz')).text, 'ok')
  t.match(await get('/configz'), {
    type: 'application/json',
    text: JSON.stringify({ 'kubeproxy.config.k8s.io': defaultConfig() }),
  })
  stop.abort()
  await serving
})

t.test('stopped while it waits for the address', async t => {
  const held = await heldPort()
  const stop = new AbortController()
  const clock: Clock = {
    ...systemClock,
    sleep: async () => {
      stop.abort()
    },
  }
  await serve(optionsFor(`127.0.0.1:${held.port}`, { clock }), stop.signal)
  t.pass('returned')
  await held.release()
})

const bodyOf = async (routes: ReturnType<typeof routesOf>, path: string, query = '') =>
  await routes[path]?.(new URLSearchParams(query), async () => '')

t.test('pages of the metrics server: flags, status, the health of each family', async t => {
  const routes = routesOf({ oomScoreAdj: -5 })
  t.match((await bodyOf(routes, '/flagz'))?.body, /^oom-score-adj=-5$/m)
  t.match((await bodyOf(routes, '/statusz'))?.body, /^Emulation version: 1\.36$/m)
  const slis = (await bodyOf(routes, '/metrics/slis'))?.body
  t.match(slis, /^kubernetes_healthcheck{name="IPv4",type="livez"} 1$/m)
  t.match(slis, /^kubernetes_healthcheck{name="IPv6",type="livez"} 1$/m)
})

t.test('pages whose feature gate is off are not there, nor named', async t => {
  const paged = (featureGates: Record<string, boolean>) =>
    Object.keys(routesOf({ featureGates })).filter(path => /^.(flag|status)z$/.test(path))
  t.strictSame(paged({}), ['/flagz', '/statusz'])
  t.strictSame(paged({ ComponentFlagz: false }), ['/statusz'])
  t.strictSame(paged({ ComponentStatusz: false }), ['/flagz'])
  t.strictSame(paged({ AllBeta: false, ComponentFlagz: true }), ['/flagz'])
  const { body } =
    (await bodyOf(routesOf({ featureGates: { ComponentFlagz: false } }), '/statusz')) ?? {}
  t.notMatch(body, '/flagz')
})

t.test('metrics of every component: process, build, gates; registered once', async t => {
  const metrics = createMetrics()
  registerComponentMetrics(metrics, { featureGates: { WatchListClient: false } })
  const { body } = (await bodyOf(routesOf({}, metrics), '/metrics')) ?? {}
  t.match(body, /^process_resident_memory_bytes \d+/m)
  // kube-proxy has them from the process collector of Go's client.
  for (const name of ['open_fds', 'max_fds', 'virtual_memory_bytes', 'virtual_memory_max_bytes']) {
    t.match(body, new RegExp(`^process_${name} [1-9]`, 'm'))
  }
  t.match(body, /^kubernetes_build_info{major="1",minor="36",.*} 1$/m)
  t.match(body, /^kubernetes_feature_enabled{name="WatchListClient",stage="BETA"} 0$/m)
  t.match(body, /^kubernetes_feature_enabled{name="NFTablesProxyMode",stage=""} 1$/m)
})

t.test('profiles: only when enabled, bounded, one at a time', async t => {
  t.notOk(Object.hasOwn(routesOf(), '/debug/pprof/profile'))
  const routes = routesOf({ enableProfiling: true })
  for (const query of ['seconds=0', 'seconds=61', 'seconds=x']) {
    t.equal((await bodyOf(routes, '/debug/pprof/profile', query))?.status, 400)
  }
  const first = bodyOf(routes, '/debug/pprof/profile', 'seconds=0.05')
  t.equal((await bodyOf(routes, '/debug/pprof/heap', 'seconds=0.05'))?.status, 429)
  t.ok(JSON.parse((await first)?.body ?? '{}').nodes.length > 0)
  const heap = await bodyOf(routes, '/debug/pprof/heap', 'seconds=0.05')
  t.ok(JSON.parse(heap?.body ?? '{}').head)
})

t.test(
  'what is logged is changed by PUT /debug/flags/v, only where profiles are enabled',
  async t => {
    const path = 'PUT /debug/flags/v'
    t.notOk(Object.hasOwn(routesOf(), path))
    const levels: LogLevel[] = []
    const routes = routesOf({ enableProfiling: true }, createMetrics(), level => levels.push(level))
    const put = async (body: string) =>
      await routes[path]?.(new URLSearchParams(), () => Promise.resolve(body))
    t.match(await put('4'), { status: 200, body: 'successfully set klog.logging.verbosity to 4' })
    for (const text of ['6', '0']) t.match(await put(text), { status: 200 })
    for (const text of ['', 'x', '-1', '1e3']) t.match(await put(text), { status: 400 })
    t.strictSame(levels, ['debug', 'trace', 'info'])
  },
)
