import t from 'tap'
import { parseExpression } from '../../src/dns/expression/parser.ts'
import { queryScope, queryScopeWithMetadata } from '../../src/dns/expression/query-scope.ts'
import type { IpAddress } from '../../src/net/ip.ts'
import { edns, query, question } from '../helper/dns.ts'

const asked = query({
  question: question({ name: 'A.Example.org.', type: 'MX' }),
  edns: edns({ udpSize: 1400, dnssecOk: true }),
  trace: { plugin: '', metadata: new Map([['k/v', () => 'label']]) },
})

const cases: readonly [text: string, want: unknown][] = [
  ["name() == 'a.example.org.'", true],
  ['type() in ["A", "MX"]', true],
  ['type() not in ["A", "MX"]', false],
  ["name() matches '^a\\\\.ex'", true],
  ["incidr(client_ip(), '192.0.2.0/24')", true],
  ["incidr(client_ip(), '2001:db8::/32')", false],
  ['bufsize() >= 1232 && do()', true],
  ["proto() == 'tcp' || port() == '40212'", true],
  ["!(class() == 'IN')", false],
  ["not (server_ip() == '192.0.2.53')", false],
  ["server_port() == '53' and opcode() == 0", true],
  ['id() == 4711', true],
  ["name() startsWith 'a.' && name() endsWith '.org.' && name() contains 'exam'", true],
  ["1 + 2 * 3 == 7 ? 'yes' : 'no'", 'yes'],
  ["-1 < 0 and 'a' < 'b'", true],
  ["metadata('k/v') == 'label' && metadata('none') == ''", true],
  ["'a' + 'b'", 'ab'],
]
for (const [text, want] of cases) {
  t.test(`${text} is ${String(want)}`, async t => {
    t.equal(parseExpression(text, queryScopeWithMetadata)(asked), want)
  })
}

const wrong: readonly [text: string, message: RegExp][] = [
  ['name(', /stops too early/],
  ['name() ==', /stops too early/],
  ['name() name()', /not understood: 'name'/],
  ['size() > 3', /size\(\) is not supported/],
  ["metadata('a/b')", /views are chosen before/],
  ['now()', /unknown, there are: bufsize/],
  ['name(1)', /takes 0 arguments, not 1/],
  ['foo', /unknown name 'foo'/],
  ["name() matches '(a+)+'", /repeats a group/],
  ['name() matches type()', /must be a literal/],
  ['a # b', /'#' has no meaning/],
  ['('.repeat(60), /nested too deep/],
]
for (const [text, message] of wrong) {
  t.test(`refuses ${text.slice(0, 30)}`, async t => {
    t.throws(() => parseExpression(text, queryScope), message)
  })
}

t.test('a comparison that makes no sense is an error of the query', async t => {
  const other = query({ client: { address: '2001:db8::1' as IpAddress, port: 1 } })
  t.throws(() => parseExpression("id() < 'a'", queryScope)(other), /two numbers or two texts/)
  t.throws(() => parseExpression("incidr(client_ip(), 'x')", queryScope)(other), /is no network/)
})
