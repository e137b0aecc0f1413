import t from 'tap'
import { parseCorefile } from '../../../src/dns/corefile/parser.ts'
import { view } from '../../../src/dns/plugins/view/plugin.ts'
import { planServers } from '../../../src/dns/server/plan.ts'
import type { IpAddress } from '../../../src/net/ip.ts'
import { query } from '../../helper/dns.ts'
import { testedPlugin } from '../../helper/plugin.ts'

const from = (address: string) => query({ client: { address: address as IpAddress, port: 1 } })

t.test('takes queries for which all expressions are true', async t => {
  const { plugin } = await testedPlugin(
    view,
    "view v {\nexpr incidr(client_ip(), '10.0.0.0/8')\nexpr type() in ['A', 'AAAA']\n}",
  )
  t.equal(plugin.filter?.(from('10.1.2.3')), true)
  t.equal(plugin.filter?.(from('192.0.2.1')), false)
  const broken = await testedPlugin(view, "view v {\nexpr id() < 'a'\n}")
  t.equal(broken.plugin.filter?.(from('10.0.0.1')), false, 'values that do not fit')
})

const problemsOf = (text: string) => {
  const { blocks } = parseCorefile(text, 'Corefile', { env: {}, read: () => '', glob: () => [] })
  return planServers(blocks, { defaultPort: 53, bindOf: () => [] }).problems.map(
    ({ message }) => message,
  )
}

t.test('a zone may stand in several blocks when their views differ', async t => {
  const one = 'a.org {\nview one {\nexpr true\n}\nwhoami\n}\n'
  t.strictSame(problemsOf(`${one}${one.replace('view one', 'view two')}a.org {\nwhoami\n}`), [])
  t.match(problemsOf(one + one), [/already defined in Corefile:1/])
})

const refused: readonly [string, RegExp][] = [
  ['view', /needs one name/],
  ['view v', /needs a line: expr/],
  ['view v {\nexpr size() > 3\n}', /Corefile:3: view expr: function size\(\) is not supported/],
  ["view v {\nexpr metadata('a/b') == 'c'\n}", /not supported in a view/],
  ['view v {\nexpression true\n}', /unknown option, there is: expr/],
]
for (const [text, message] of refused) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, t =>
    t.rejects(testedPlugin(view, text), { message }),
  )
}
