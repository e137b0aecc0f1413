import fc from 'fast-check'
import t from 'tap'
import type { ResourceRecord } from '../../../src/dns/message.ts'
import { loadbalance } from '../../../src/dns/plugins/loadbalance/plugin.ts'
import { shuffleSection } from '../../../src/dns/plugins/loadbalance/shuffle.ts'
import { addressRecord, directives, setupContext } from '../../helper/dns.ts'

const owner = { name: 'a.org.', class: 'IN', ttl: 5 }
const cname = (data: string): ResourceRecord => ({ ...owner, type: 'CNAME', data })
const mx = (preference: number): ResourceRecord => ({
  ...owner,
  type: 'MX',
  data: { preference, exchange: 'm.' },
})
const ns: ResourceRecord = { ...owner, type: 'NS', data: 'ns.' }

t.test('CNAMEs in their order, others, addresses, MX', async t => {
  const records = [
    mx(1),
    addressRecord('10.0.0.1'),
    cname('b.'),
    ns,
    addressRecord('::1'),
    cname('c.'),
  ]
  const kinds = shuffleSection(records, Math.random).map(({ type }) => type)
  t.strictSame(kinds.slice(0, 3), ['CNAME', 'CNAME', 'NS'])
  t.strictSame(
    kinds.slice(3, 5).toSorted((a, b) => a.localeCompare(b)),
    ['A', 'AAAA'],
  )
  t.equal(kinds[5], 'MX')
  t.strictSame(shuffleSection(records, Math.random).slice(0, 2), [cname('b.'), cname('c.')])
})

t.test('no record is lost or doubled, whatever the numbers', async t => {
  const records = [1, 2, 3, 4, 5].map(n => addressRecord(`10.0.0.${n}`))
  fc.assert(
    fc.property(fc.infiniteStream(fc.double({ min: 0, max: 0.999999, noNaN: true })), numbers => {
      const shuffled = shuffleSection(records, () => numbers.next().value ?? 0)
      return new Set(shuffled).size === 5 && shuffled.length === 5
    }),
  )
  t.pass()
})

t.test('every address comes first at times', async t => {
  const records = [1, 2, 3].map(n => addressRecord(`10.0.0.${n}`))
  const first = (random: number) => shuffleSection(records, () => random)[0]?.data
  t.equal(new Set([0, 0.4, 0.99].map(first)).size, 3)
})

t.test('refuses policies that are not there', async t => {
  const setup = async (text: string) => loadbalance.setup(directives(text), setupContext())
  await t.rejects(setup('loadbalance weighted file'), { message: /the one policy is round_robin/ })
  await t.resolves(setup('loadbalance round_robin'))
})
