import t from 'tap'
import type { BlockView, Plugin } from '../../../src/dns/plugin.ts'
import { ready } from '../../../src/dns/plugins/ready/plugin.ts'
import { directives, setupContext } from '../../helper/dns.ts'

async function readiness(config: string, others: readonly (readonly Plugin[])[] = [[]]) {
  let blocks: readonly BlockView[] = []
  const context = setupContext({ blocks: () => blocks })
  const plugin = await ready.setup(directives(config), context)
  blocks = others.map((plugins, index) => ({
    zones: ['.'],
    plugins: index === 0 ? [plugin, ...plugins] : plugins,
  }))
  const [site] = context.http.sites.values()
  return { plugin, site, get: async () => site?.routes.get('/ready')?.(new URLSearchParams()) }
}

const waiting = (name: string): Plugin & { ready: boolean } => {
  const plugin = { name, ready: false, isReady: () => plugin.ready }
  return plugin
}

t.test('503 with the names of what is not ready, then 200', async t => {
  const kubernetes = waiting('kubernetes')
  const erratic = waiting('erratic')
  const { get, site } = await readiness('ready', [[kubernetes, { name: 'cache' }, erratic]])
  t.match(site?.address, { host: '', port: 8181 })
  t.match(await get(), { status: 503, body: 'erratic,kubernetes' })
  erratic.ready = true
  t.match(await get(), { status: 503, body: 'kubernetes' })
  kubernetes.ready = true
  t.match(await get(), { status: 200, body: 'OK' })
})

t.test('once ready a plugin is not asked again, unless it is monitored continuously', async t => {
  for (const [config, status] of [
    ['ready', 200],
    ['ready {\n monitor until-ready\n}', 200],
    ['ready {\n monitor continuously\n}', 503],
  ] as const) {
    const plugin = waiting('kubernetes')
    const { get } = await readiness(config, [[plugin]])
    plugin.ready = true
    await get()
    plugin.ready = false
    t.match(await get(), { status }, config)
  }
})

t.test('blocks without ready do not count', async t => {
  const { get } = await readiness('ready', [[], [waiting('kubernetes')]])
  t.match(await get(), { status: 200 })
})

t.test('503 while the server shuts down', async t => {
  const { get, plugin } = await readiness('ready')
  await plugin.shutdown?.()
  t.match(await get(), { status: 503, body: 'Shutting down' })
})

for (const config of [
  'ready nope',
  'ready :1 :2',
  'ready {\n monitor never\n}',
  'ready {\n x\n}',
]) {
  t.test(`refuses ${JSON.stringify(config)}`, async t => {
    await t.rejects(readiness(config), { code: 'ERR_CONFIG' })
  })
}
