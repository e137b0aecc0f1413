import t from 'tap'
import { streamLimits } from '../../../src/dns/plugins/timeouts/plugin.ts'
import { directives } from '../../helper/dns.ts'

t.test('what the listener is told', async t => {
  const text = 'timeouts {\nread 1s\nwrite 2m\nidle 24h\nmaxtcpqueries 5\n}'
  t.strictSame(streamLimits(directives(text)), {
    readMs: 1000,
    writeMs: 120_000,
    idleMs: 86_400_000,
    maxQueries: 5,
  })
  t.strictSame(streamLimits(directives('timeouts {\nmaxtcpqueries -1\n}')), {
    maxQueries: Number.POSITIVE_INFINITY,
  })
  t.strictSame(streamLimits(directives('whoami')), {})
})

const refused: readonly [string, RegExp][] = [
  ['timeouts', /needs one of read, write, idle, maxtcpqueries/],
  ['timeouts {\nread 500ms\n}', /Corefile:3: timeouts read: needs one duration, 1s to 24h/],
  ['timeouts {\nidle 25h\n}', /1s to 24h/],
  ['timeouts {\nsleep 5s\n}', /unknown option/],
  ['timeouts {\nmaxtcpqueries 0\n}', /needs a number, or -1/],
]
for (const [text, message] of refused) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, async t =>
    t.throws(() => streamLimits(directives(text)), message),
  )
}
