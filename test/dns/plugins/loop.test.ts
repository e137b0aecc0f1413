import t from 'tap'
import { systemClock } from '#runtime/clock.ts'
import { type Query, reply } from '../../../src/dns/message.ts'
import type { Handler } from '../../../src/dns/plugin.ts'
import { loopPlugin } from '../../../src/dns/plugins/loop/plugin.ts'
import { directives, query, question, setupContext } from '../../helper/dns.ts'
import { eventually } from '../../helper/eventually.ts'

/** A block with loop whose chain ends in `upstream`, which may ask the block again. */
async function serverWith(upstream: (ask: Handler) => Handler) {
  const asked: Query[] = []
  let handler: Handler = () => reply()
  const context = setupContext({
    zones: ['example.org.'],
    lookup: (sent, signal) => {
      asked.push(sent)
      return handler(sent, signal)
    },
  })
  const clock = { ...systemClock, sleep: async () => {} }
  const plugin = await loopPlugin(clock).setup(directives('loop'), context)
  handler = plugin.wrap?.(upstream((sent, signal) => handler(sent, signal))) ?? handler
  await plugin.start?.()
  const sent = await eventually('the probe', () => asked[0])
  await new Promise(resolve => setImmediate(resolve))
  return {
    context,
    plugin,
    sent,
    ask: (each: Query) => handler(each, new AbortController().signal),
  }
}

t.test('a probe below the zone that nobody can guess', async t => {
  const names = new Set<string>()
  for (let run = 0; run < 3; run++) {
    const { sent, plugin } = await serverWith(() => () => reply())
    t.match(sent.question, { type: 'HINFO', name: /^\d+\.\d+\.example\.org\.$/ })
    names.add(sent.question.name)
    await plugin.stop?.()
  }
  t.equal(names.size, 3)
})

t.test('a probe that comes back ends the server', async t => {
  const { context } = await serverWith(
    ask => (sent, signal) => ask({ ...sent }, AbortSignal.any([signal])),
  )
  t.match(context.failures, [{ message: /what is forwarded for zone example\.org\. comes back/ }])
  t.match(context.written, [
    /^FATAL plugin\/loop: Loop \(127\.0\.0\.1:0 -> dns:\/\/:53\) detected for zone "example\.org\."/,
  ])
})

t.test('an answered probe ends the search: later the name means nothing', async t => {
  const { context, sent, ask } = await serverWith(() => () => reply())
  for (let time = 0; time < 5; time++) await ask(query({ question: sent.question }))
  t.strictSame(context.failures, [])
})

t.test('a server that is not up yet is no loop, however often it is tried', async t => {
  let tries = 0
  const { context } = await serverWith(() => () => {
    if (++tries < 10) throw new Error('connection refused')
    return reply()
  })
  await eventually('the answer', () => tries === 10)
  t.strictSame(context.failures, [])
})

t.test('other queries pass', async t => {
  const { context, ask } = await serverWith(() => () => reply())
  for (let time = 0; time < 5; time++) await ask(query({ question: question({ type: 'HINFO' }) }))
  t.strictSame(context.failures, [])
})
