import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { type ResourceRecord, reply } from '../../../../src/dns/message.ts'
import { loadbalance } from '../../../../src/dns/plugins/loadbalance/plugin.ts'
import { shuffleSection } from '../../../../src/dns/plugins/loadbalance/shuffle.ts'
import { addressRecord, directives, queryFor, setupContext } from '../../../helper/dns.ts'
import { eventually } from '../../../helper/eventually.ts'
import { testedPlugin } from '../../../helper/plugin.ts'

const owner = { name: 'a.org.', class: 'IN', ttl: 5 }
const cname = (data: string): ResourceRecord => ({ ...owner, type: 'CNAME', data })
const mx = (preference: number): ResourceRecord => ({
  ...owner,
  type: 'MX',
  data: { preference, exchange: 'm.' },
})
const dataOf = (record: ResourceRecord | undefined): string =>
  typeof record?.data === 'string' ? record.data : ''
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

t.test('what cannot be is refused with what would be right', async t => {
  const setup = async (text: string) => loadbalance.setup(directives(text), setupContext())
  for (const [text, message] of [
    ['loadbalance fair', "loadbalance: 'fair' is no policy; there are round_robin and weighted"],
    ['loadbalance weighted', 'loadbalance: needs nothing, round_robin, or weighted and a file'],
    ['loadbalance round_robin x', 'loadbalance: needs nothing, round_robin'],
    ['loadbalance {\nreload 5s\n}', 'loadbalance: reload is for weighted'],
    ['loadbalance {\nprefer\n}', 'loadbalance prefer: needs subnets'],
    ['loadbalance {\nprefer 10.0.0.0/33\n}', "'10.0.0.0/33' is no subnet"],
    ['loadbalance {\nfair\n}', 'unknown option, there are: reload, prefer'],
    ['loadbalance weighted missing {\nreload 0s\n}', '/missing: cannot be read'],
  ] as const) {
    await t.rejects(setup(text), { message: new RegExp(RegExp.escape(message)) }, text)
  }
  await t.resolves(setup('loadbalance round_robin'))
})

t.test('addresses in preferred subnets come first, in random order among themselves', async t => {
  const text = 'loadbalance {\nprefer 10.9.0.0/16 2001:db8::/32\n}'
  const { ask } = await testedPlugin(loadbalance, text)
  const texts = ['192.0.2.1', '10.9.0.1', '2001:db8::1', '192.0.2.2', '10.9.0.2']
  const answers = [cname('b.'), ...texts.map(address => addressRecord(address))]
  const orders = new Set<string>()
  for (let time = 0; time < 100; time++) {
    const got = await ask(queryFor('a.org.', 'A'), () => reply({ answers }))
    t.equal(got?.answers[0]?.type, 'CNAME')
    const first = got?.answers.slice(1, 4).map(dataOf) ?? []
    t.strictSame(first.toSorted(), ['10.9.0.1', '10.9.0.2', '2001:db8::1'])
    orders.add(first.join(' '))
  }
  t.ok(orders.size > 1)
})

t.test('the first address is chosen by weight, and again when the file changes', async t => {
  const directory = t.testdir({ weights: '# of a.org\na.org\n10.0.0.1 3\n10.0.0.3 2\n' })
  const text = 'loadbalance weighted weights {\nreload 10ms\n}'
  const { ask, plugin } = await testedPlugin(loadbalance, text, { directory })
  t.teardown(() => plugin.stop?.())
  const answers = [1, 2, 3].map(n => ({ ...addressRecord(`10.0.0.${n}`), name: 'A.org.' }))
  const firsts = async () => {
    const counts: Record<string, number> = { '10.0.0.1': 0, '10.0.0.2': 0, '10.0.0.3': 0 }
    for (let time = 0; time < 3000; time++) {
      const got = await ask(queryFor('a.org.', 'A'), () => reply({ answers }))
      const first = dataOf(got?.answers[0])
      counts[first] = (counts[first] ?? 0) + 1
    }
    return counts
  }
  // 3 : 1 : 2 of 3000, each within six standard deviations.
  const { '10.0.0.1': one = 0, '10.0.0.2': two = 0, '10.0.0.3': three = 0 } = await firsts()
  t.ok(Math.abs(one - 1500) < 165 && Math.abs(two - 500) < 123 && Math.abs(three - 1000) < 155)
  await plugin.start?.()
  await writeFile(join(directory, 'weights'), 'a.org.\n10.0.0.2 255\n')
  const alive = setInterval(() => undefined, 1000)
  t.teardown(() => clearInterval(alive))
  await eventually('the new weights', async () => ((await firsts())['10.0.0.2'] ?? 0) > 2500)
})

t.test('an order that depends on the addresses is made anew each time', async t => {
  const answers = ['192.0.2.1', '10.9.0.1'].map(address => addressRecord(address))
  const remember = { again: () => reply(), forMs: 1000, ttlLeftMs: undefined, rotates: false }
  const directory = t.testdir({ weights: '' })
  for (const [text, isRemembered] of [
    ['loadbalance', true],
    ['loadbalance {\nprefer 172.16.0.0/12\n}', true],
    ['loadbalance {\nprefer 10.0.0.0/8\n}', false],
    ['loadbalance weighted weights', false],
  ] as const) {
    const { ask } = await testedPlugin(loadbalance, text, { directory })
    const got = await ask(queryFor('a.org.', 'A'), () => ({ ...reply({ answers }), remember }))
    t.equal(got?.remember !== undefined, isRemembered, text)
  }
})
