import { availableParallelism } from 'node:os'
import t from 'tap'
import { socketCount } from '../../../src/dns/plugins/multisocket/plugin.ts'
import { directives } from '../../helper/dns.ts'

const cases: readonly [string, number | undefined][] = [
  ['whoami', undefined],
  ['multisocket', availableParallelism()],
  ['multisocket 4', 4],
  ['multisocket 1024', 1024],
]
for (const [text, want] of cases) {
  t.test(`${text}: ${want}`, async t => t.equal(socketCount(directives(text)), want))
}

for (const text of ['multisocket 0', 'multisocket 1025', 'multisocket a', 'multisocket 1 2']) {
  t.test(`refuses ${text}`, async t =>
    t.throws(() => socketCount(directives(text)), /one number of sockets, 1 to 1024/),
  )
}
