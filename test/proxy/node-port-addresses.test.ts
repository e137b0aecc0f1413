import t from 'tap'
import type { IpAddress } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { healthCheckHosts, nodePortPrefixes } from '../../src/proxy/node-port-addresses.ts'

const selection = (texts: readonly string[]) => ({
  nodePortAddresses: texts.map(text => parsePrefix(text) as IpPrefix),
})

const own = [
  '127.0.0.1',
  '192.0.2.1',
  '192.0.2.2',
  '169.254.3.4',
  '::1',
  '2001:db8::1',
  'fe80::1',
] as readonly string[] as readonly IpAddress[]

const cases: readonly {
  title: string
  prefixes: readonly string[]
  4: readonly string[]
  6: readonly string[]
}[] = [
  { title: 'no prefix is everywhere', prefixes: [], 4: ['0.0.0.0'], 6: ['::'] },
  {
    title: 'prefixes of one family are everywhere in the other',
    prefixes: ['192.0.2.0/31', '192.0.2.2/32'],
    4: ['192.0.2.1', '192.0.2.2'],
    6: ['::'],
  },
  {
    title: 'length 0 is everywhere, of its family, whatever stands beside it',
    prefixes: ['0.0.0.0/0', '192.0.2.1/32', '2001:db8::/32'],
    4: ['0.0.0.0'],
    6: ['2001:db8::1'],
  },
  { title: 'length 0 in IPv6', prefixes: ['::1/128', '::/0'], 4: ['0.0.0.0'], 6: ['::'] },
  {
    title: 'loopback addresses are served when they are selected',
    prefixes: ['127.0.0.0/8', '::1/128'],
    4: ['127.0.0.1'],
    6: ['::1'],
  },
  {
    title: 'no IPv6 address of one link, on which nobody can listen without naming it',
    prefixes: ['169.254.0.0/16', 'fe80::/10', '2001:db8::/32'],
    4: ['169.254.3.4'],
    6: ['2001:db8::1'],
  },
  {
    title: 'none when no address is selected now',
    prefixes: ['203.0.113.1/32', 'fe80::/10'],
    4: [],
    6: [],
  },
]

for (const { title, prefixes, 4: v4, 6: v6 } of cases) {
  t.test(`health checks listen: ${title}`, async t => {
    t.strictSame(healthCheckHosts(selection(prefixes), 4, own), v4)
    t.strictSame(healthCheckHosts(selection(prefixes), 6, own), v6)
  })
}

t.test('a prefix that holds everything makes the others of its family moot', async t => {
  const of = (family: 4 | 6, ...texts: readonly string[]) =>
    nodePortPrefixes(selection(texts), family).map(({ address }) => address)
  t.strictSame(of(4, '10.0.0.0/8', '0.0.0.0/0'), [])
  t.strictSame(of(4, '10.0.0.0/8', '::/0'), ['10.0.0.0'])
  t.strictSame(of(6, '10.0.0.0/8', '::/0'), [])
})
