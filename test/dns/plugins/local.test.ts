import t from 'tap'
import { reply } from '../../../src/dns/message.ts'
import { local } from '../../../src/dns/plugins/local/plugin.ts'
import { queryFor } from '../../helper/dns.ts'
import { metricValue, replyAsText, testedPlugin } from '../../helper/plugin.ts'

const soa = 'SOA localhost. root.localhost. 1 0 0 0 604800'
const cases: readonly [name: string, type: string, answer: string | undefined, zone?: string][] = [
  ['localhost.', 'A', 'A 127.0.0.1'],
  ['LocalHost.', 'AAAA', 'AAAA ::1'],
  ['localhost.', 'SOA', soa],
  ['localhost.', 'NS', 'NS localhost.'],
  ['localhost.', 'MX', undefined, 'localhost.'],
  ['a.b.localhost.', 'A', 'A 127.0.0.1'],
  ['a.localhost.', 'NS', undefined, 'localhost.'],
  ['localhost.example.org.', 'A', 'A 127.0.0.1'],
  ['localhost.example.org.', 'TXT', undefined, 'localhost.example.org.'],
  ['1.0.0.127.in-addr.arpa.', 'PTR', 'PTR localhost.'],
  ['2.0.0.127.in-addr.arpa.', 'PTR', undefined, '127.in-addr.arpa.'],
  ['0.in-addr.arpa.', 'SOA', soa],
  ['1.255.in-addr.arpa.', 'PTR', undefined, '255.in-addr.arpa.'],
]
for (const [name, type, answer, zone] of cases) {
  t.test(`${name} ${type}: ${answer ?? 'no data'}`, async t => {
    const { ask } = await testedPlugin(local, 'local')
    const found = await ask(queryFor(name, type))
    t.match(found, { rcode: 'NOERROR', authoritative: false })
    const section = answer === undefined ? 'authorities' : 'answers'
    const record = answer === undefined ? `${zone} 604800 ${soa}` : `${name} 604800 ${answer}`
    t.strictSame(replyAsText(found), { rcode: 'NOERROR', [section]: [record] })
  })
}

t.test(
  'other names go on, with localhost_prefix off also those that begin with localhost',
  async t => {
    const passedOn = reply()
    const on = await testedPlugin(local, 'local')
    t.equal(await on.ask(queryFor('example.org.'), () => passedOn), passedOn)
    t.equal(await on.ask(queryFor('notlocalhost.'), () => passedOn), passedOn)
    await on.ask(queryFor('localhost.example.org.'))
    t.equal(await metricValue(on.context, 'coredns_local_localhost_requests_total'), 1)
    const off = await testedPlugin(local, 'local {\nlocalhost_prefix off\n}')
    t.equal(await off.ask(queryFor('localhost.example.org.'), () => passedOn), passedOn)
  },
)

t.test('refuses other options', t =>
  t.rejects(testedPlugin(local, 'local {\nprefix off\n}'), { message: /localhost_prefix on\|off/ }),
)
