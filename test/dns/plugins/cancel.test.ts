import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { reply } from '../../../src/dns/message.ts'
import { cancel } from '../../../src/dns/plugins/cancel/plugin.ts'
import { setupBlock, stopPlugins } from '../../../src/dns/server/setup.ts'
import { directives, patience, query, setupContext } from '../../helper/dns.ts'
import { testedPlugin } from '../../helper/plugin.ts'

t.test('what takes too long is given up, and nothing is sent', async t => {
  const { ask } = await testedPlugin(cancel, 'cancel 5ms')
  let isTold = false
  const found = await ask(query(), async (_, signal) => {
    await once(signal, 'abort')
    isTold = true
    throw signal.reason
  })
  t.equal(found, undefined)
  t.equal(isTold, true, 'the plugins behind are told')
})

t.test('answers in time and errors pass', async t => {
  const { ask } = await testedPlugin(cancel, 'cancel')
  const answer = reply()
  t.equal(await ask(query(), () => answer), answer)
  await t.rejects(
    ask(query(), () => {
      throw new Error('no upstream')
    }),
    { message: 'no upstream' },
  )
})

for (const text of ['cancel 0s', 'cancel soon', 'cancel 1s 2s']) {
  t.test(`refuses ${text}`, t =>
    t.rejects(testedPlugin(cancel, text), { message: /one duration above zero/ }),
  )
}

t.test('errors says nothing of a query that was given up', async t => {
  const written: string[] = []
  const silent = createSocket('udp4').bind(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const { handler, plugins } = await setupBlock(
    directives(`errors\nlog\ncancel 20ms\nforward . 127.0.0.1:${silent.address().port}`),
    setupContext({ lines: { line: (level, text) => void written.push(`${level} ${text}`) } }),
  )
  t.teardown(() => stopPlugins(plugins))
  const names = plugins.map(({ name }) => name)
  t.strictSame(names, ['errors', 'log', 'cancel', 'forward'])
  t.equal(await handler?.(query(), patience()), undefined)
  t.strictSame(written, [])
})
