import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { type Clock, systemClock } from '#runtime/clock.ts'
import { silentLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { defaultConfig } from '../../../src/proxy/config/schema.ts'
import { metricsRoutes } from '../../../src/proxy/server/metrics.ts'
import { type ServeOptions, serve } from '../../../src/proxy/server/serve.ts'
import { eventually } from '../../helper/eventually.ts'

const optionsFor = (address: string, fields: Partial<ServeOptions> = {}): ServeOptions => ({
  name: 'test',
  address,
  routes: metricsRoutes(createMetrics(), defaultConfig()),
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
  const options = optionsFor(`127.0.0.1:${held.port}`, { hardFail: true })
  await t.rejects(serve(options, new AbortController().signal), { code: 'EADDRINUSE' })
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
    return { type: response.headers.get('content-type'), text: await response.text() }
  }
  const mode = await eventually('the server', () => get('/proxyMode'))
  t.strictSame(waits, [5000])
  t.strictSame(mode, { type: 'text/plain; charset=utf-8', text: 'nftables' })
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
