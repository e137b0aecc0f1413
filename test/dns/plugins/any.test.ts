import t from 'tap'
import { reply } from '../../../src/dns/message.ts'
import { any } from '../../../src/dns/plugins/any/plugin.ts'
import { queryFor } from '../../helper/dns.ts'
import { testedPlugin } from '../../helper/plugin.ts'

t.test('ANY gets the HINFO record of RFC 8482, other types go on', async t => {
  const { ask } = await testedPlugin(any, 'any')
  t.match(await ask(queryFor('a.org.', 'ANY')), {
    rcode: 'NOERROR',
    authoritative: false,
    answers: [
      {
        name: 'a.org.',
        type: 'HINFO',
        ttl: 8482,
        data: { cpu: 'ANY obsoleted', os: 'See RFC 8482' },
      },
    ],
  })
  const passedOn = reply()
  t.equal(await ask(queryFor('a.org.'), () => passedOn), passedOn)
})
