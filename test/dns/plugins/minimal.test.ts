import t from 'tap'
import { type Reply, type ResourceRecord, reply } from '../../../src/dns/message.ts'
import { minimal } from '../../../src/dns/plugins/minimal/plugin.ts'
import { addressRecord, query } from '../../helper/dns.ts'
import { testedPlugin } from '../../helper/plugin.ts'

const ns: ResourceRecord = { name: 'org.', type: 'NS', class: 'IN', ttl: 5, data: 'ns.org.' }
const extra = { authorities: [ns], additionals: [addressRecord('192.0.2.9', 'ns.org.')] }

t.test('positive answers lose authority and additional', async t => {
  const { ask } = await testedPlugin(minimal, 'minimal')
  const answers = [addressRecord('192.0.2.1')]
  const whole = reply({ answers, ...extra })
  t.strictSame(await ask(query(), () => whole), reply({ answers }))
})

t.test('referrals, denials and errors stay as they are', async t => {
  const { ask } = await testedPlugin(minimal, 'minimal')
  const others: readonly Reply[] = [
    reply(extra),
    reply({ rcode: 'NXDOMAIN', ...extra }),
    reply({ rcode: 'SERVFAIL', ...extra }),
  ]
  for (const other of others) t.equal(await ask(query(), () => other), other)
  t.equal(await ask(query(), () => undefined), undefined)
})

t.test('takes no argument', t =>
  t.rejects(testedPlugin(minimal, 'minimal now'), { message: /takes no argument/ }),
)
