import t from 'tap'
import { reload } from '../../../src/dns/plugins/reload/plugin.ts'
import { directives, setupContext } from '../../helper/dns.ts'

const setup = async (text: string, hash?: string) => {
  const context = setupContext({ corefile: { hash, reloadIfChanged: async () => undefined } })
  return { context, plugin: await reload.setup(directives(text), context) }
}

for (const text of [
  'reload',
  'reload 2s',
  'reload 10s 1s',
  'reload 2s 1h',
  'reload 5s\nreload 10s',
]) {
  t.test(`${JSON.stringify(text)} can be used`, async t => {
    await t.resolves(setup(text))
  })
}

const wrong: readonly [text: string, message: string][] = [
  ['reload 1s', "'1s' is not a duration of 2s or more"],
  ['reload soon', "'soon' is not a duration"],
  ['reload 2s 500ms', "'500ms' is not a duration of 1s or more"],
  ['reload 2s 1s 1s', 'takes an interval and a jitter, no more'],
]
for (const [text, message] of wrong) {
  t.test(`refuses ${text}`, async t => {
    await t.rejects(setup(text), { message: new RegExp(message) })
  })
}

t.test('the hash in use is a metric, the former one is not any more', async t => {
  const { context, plugin } = await setup('reload', 'abc')
  await plugin.start?.()
  await plugin.stop?.()
  const next = { ...context, corefile: { ...context.corefile, hash: 'def' } }
  const second = await reload.setup(directives('reload'), next)
  await second.start?.()
  await second.stop?.()
  const shown = await context.metrics.getSingleMetricAsString('coredns_reload_version_info')
  t.match(shown, 'coredns_reload_version_info{hash="sha512",value="def"} 1')
  t.notMatch(shown, 'abc')
})

t.test('a Corefile that is no file is never looked at', async t => {
  const { plugin } = await setup('reload')
  t.strictSame(Object.keys(plugin), ['name'])
})
