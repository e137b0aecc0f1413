import t from 'tap'
import type { Handler } from '../../../src/dns/plugin.ts'
import { errors } from '../../../src/dns/plugins/errors/plugin.ts'
import { Unanswered } from '../../../src/dns/unanswered.ts'
import { directives, query, question, setupContext } from '../../helper/dns.ts'

const signal = new AbortController().signal

/** An `errors` block and what it wrote about queries that failed with these errors. */
async function report(config: string, failures: readonly Error[]) {
  const context = setupContext()
  const plugin = await errors.setup(directives(`errors ${config}`), context)
  let failure = new Error('none yet')
  const failing: Handler = () => {
    throw failure
  }
  const handler = plugin.wrap?.(failing)
  for (const next of failures) {
    failure = next
    await t.rejects(
      async () => handler?.(query({ question: question({ name: 'A.org.' }) }), signal),
      failure,
    )
  }
  const { written } = context
  const before = [...written]
  await plugin.stop?.()
  return { before, after: written.slice(before.length) }
}

t.test('a failed query is one line, with the number of its rcode, and fails on', async t => {
  const cause = new Error('connect ECONNREFUSED', { cause: new Error('why') })
  t.strictSame(await report('', [cause, new Unanswered('REFUSED', 'too many')]), {
    before: [
      'ERROR plugin/errors: 2 a.org. A: connect ECONNREFUSED: why',
      'ERROR plugin/errors: 5 a.org. A: too many',
    ],
    after: [],
  })
})

t.test('consolidate counts what matches and tells it at the end of the period', async t => {
  const timeouts = Array.from({ length: 3 }, () => new Error('read udp: i/o timeout'))
  const config = '{\n consolidate 5m ".*timeout$" warning\n consolidate 1h .* \n}'
  t.strictSame(await report(config, [...timeouts, new Error('other')]), {
    before: [],
    after: [
      "WARNING plugin/errors: 3 errors like '.*timeout$' occurred in last 5m",
      "ERROR plugin/errors: 1 errors like '.*' occurred in last 1h",
    ],
  })
})

t.test('show_first shows the first at once, and needs no summary for it alone', async t => {
  const config = '{\n consolidate 5m timeout error show_first\n}'
  const failure = new Error('timeout')
  const first = 'ERROR plugin/errors: 2 a.org. A: timeout'
  t.strictSame(await report(config, [failure]), { before: [first], after: [] })
  t.strictSame(await report(config, [failure, failure]), {
    before: [first],
    after: ["ERROR plugin/errors: 2 errors like 'timeout' occurred in last 5m"],
  })
})

const wrong: readonly [config: string, message: string][] = [
  ['x', 'Corefile:2: errors: takes no argument'],
  ['{\n consolidate\n}', "Corefile:3: consolidate: '' is no duration"],
  ['{\n consolidate 5m\n}', 'Corefile:3: consolidate: needs a duration and a pattern'],
  ['{\n consolidate 5m (\n}', "pattern '('"],
  ['{\n consolidate 5m (a+)+\n}', 'repeats a group'],
  ['{\n consolidate 5m a loud\n}', "'loud' is not [warning|error|info|debug] [show_first]"],
  ['{\n nope\n}', "unknown option 'nope', there are: stacktrace, consolidate"],
]
for (const [config, message] of wrong) {
  t.test(`refuses ${JSON.stringify(config)}`, async t => {
    await t.rejects(async () => errors.setup(directives(`errors ${config}`), setupContext()), {
      message: new RegExp(message.replace(/[()[\]|+]/g, '\\$&')),
    })
  })
}
