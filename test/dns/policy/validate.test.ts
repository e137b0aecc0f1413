import t from 'tap'
import type { PodDnsConfig } from '#cluster/objects.ts'
import { validatePodDns } from '#dns/policy/validate.ts'

const problems = (dnsPolicy: string, config?: Partial<PodDnsConfig>) =>
  validatePodDns({
    dnsPolicy,
    dnsConfig:
      config === undefined ? undefined : { nameservers: [], searches: [], options: [], ...config },
  })

const fields = (config: Partial<PodDnsConfig>) =>
  problems('ClusterFirst', config).map(({ field }) => field)

t.test('the four policies are valid, anything else is not', async t => {
  for (const policy of ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default']) {
    t.strictSame(problems(policy), [])
  }
  t.strictSame(problems('None', { nameservers: ['192.0.2.1'] }), [])
  for (const policy of ['', 'none', 'clusterFirst', 'ClusterFirst ']) {
    t.match(problems(policy), [{ field: 'spec.dnsPolicy', message: /ClusterFirst, .*None/ }])
  }
})

t.test('None needs a dnsConfig with a nameserver', async t => {
  t.match(problems('None'), [{ field: 'spec.dnsConfig', message: /^missing/ }])
  t.match(problems('None', { searches: ['a.test'] }), [{ field: 'spec.dnsConfig.nameservers' }])
})

t.test('at most three nameservers', async t => {
  const addresses = ['192.0.2.1', '192.0.2.2', '192.0.2.3']
  t.strictSame(fields({ nameservers: addresses }), [])
  t.strictSame(fields({ nameservers: [...addresses, '192.0.2.4'] }), ['spec.dnsConfig.nameservers'])
})

t.test('nameservers are strict addresses; the message says what to write', async t => {
  t.strictSame(fields({ nameservers: ['192.0.2.1', 'fd00::1', 'FD00:0::1'] }), [])
  const wrong = [
    { text: '10.0.0.010', message: /leading zeros; write 10\.0\.0\.10$/ },
    { text: '::ffff:10.0.0.1', message: /write 10\.0\.0\.1$/ },
    { text: 'fe80::1%eth0', message: /not an IP address/ },
    { text: '10.0.0.1:53', message: /not an IP address/ },
    { text: 'dns.test', message: /not an IP address/ },
    { text: '', message: /not an IP address/ },
  ]
  for (const { text, message } of wrong) {
    const found = problems('ClusterFirst', { nameservers: ['192.0.2.1', text] })
    t.match(found, [{ field: 'spec.dnsConfig.nameservers[1]', message }], text)
    t.equal(found.length, 1)
  }
})

t.test('at most 32 searches, at most 2048 characters joined', async t => {
  const list = (count: number) => Array.from({ length: count }, (_, index) => `d${index}`)
  t.strictSame(fields({ searches: list(32) }), [])
  t.strictSame(fields({ searches: list(33) }), ['spec.dnsConfig.searches'])
  const label = 'x'.repeat(204)
  const joined = (last: number) => [...Array<string>(9).fill(label), 'y'.repeat(last)]
  t.equal(joined(203).join(' ').length, 2048)
  t.strictSame(fields({ searches: joined(203) }), [])
  t.strictSame(fields({ searches: joined(204) }), ['spec.dnsConfig.searches'])
})

t.test('searches that are valid', async t => {
  const searches = [
    '.',
    'a',
    'a.test',
    'a.test.',
    '_tcp.a.test',
    'a-b_c.test',
    '0.test',
    'x'.repeat(253),
  ]
  t.strictSame(fields({ searches }), [])
})

t.test('searches that are not', async t => {
  const wrong = [
    '',
    '..',
    'a..b',
    '.a',
    'a.test..',
    'A.test',
    '-a',
    'a-',
    'a_',
    '__a',
    '_',
    'a b',
    'ä.test',
    'x'.repeat(254),
  ]
  for (const search of wrong) {
    t.strictSame(fields({ searches: ['ok', search] }), ['spec.dnsConfig.searches[1]'], search)
  }
})

t.test('options need a name; values are free', async t => {
  t.strictSame(fields({ options: [{ name: 'ndots', value: 'many words' }, { name: '-' }] }), [])
  t.strictSame(fields({ options: [{ name: 'a' }, { name: '', value: '1' }] }), [
    'spec.dnsConfig.options[1].name',
  ])
})

t.test('all problems are told', async t => {
  t.strictSame(
    problems('None', { searches: ['A'], options: [{ name: '' }] }).map(({ field }) => field),
    ['spec.dnsConfig.nameservers', 'spec.dnsConfig.searches[0]', 'spec.dnsConfig.options[0].name'],
  )
})
