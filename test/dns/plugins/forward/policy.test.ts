import t from 'tap'
import { tryOrder } from '#dns/plugins/forward/policy.ts'

const servers = ['a', 'b', 'c']
const random = () => 0

t.strictSame(tryOrder(servers, 'sequential', { round: 5, random }), servers)
t.strictSame(
  [0, 1, 2, 3].map(round => tryOrder(servers, 'round_robin', { round, random }).join('')),
  ['abc', 'bca', 'cab', 'abc'],
  'every server comes first in turn',
)
t.strictSame(
  tryOrder(servers, 'random', { round: 0, random: () => 0.999 }),
  servers,
  'a shuffle by the numbers given',
)
const firsts = new Set(
  Array.from(
    { length: 200 },
    () => tryOrder(servers, 'random', { round: 0, random: Math.random })[0],
  ),
)
t.equal(firsts.size, 3, 'any server may come first')
t.strictSame(tryOrder(servers, 'random', { round: 0, random: Math.random }).toSorted(), servers)
