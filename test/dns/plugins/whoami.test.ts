import t from 'tap'
import { whoami } from '../../../src/dns/plugins/whoami/plugin.ts'
import type { IpAddress } from '../../../src/net/ip.ts'
import { addressRecord, directives, query, question, setupContext } from '../../helper/dns.ts'

const unused = () => undefined

t.test('tells address and port in the additional section', async t => {
  const plugin = await whoami.setup(directives('whoami'), setupContext())
  const ask = (parts: Parameters<typeof query>[0]) =>
    plugin.wrap?.(unused)(query(parts), new AbortController().signal)
  const srv = { type: 'SRV', ttl: 0, data: { priority: 0, weight: 0, port: 40212, target: '.' } }
  t.match(await ask({}), {
    rcode: 'NOERROR',
    authoritative: true,
    answers: [],
    additionals: [
      { ...addressRecord('192.0.2.1'), ttl: 0 },
      { ...srv, name: '_udp.example.org.' },
    ],
  })
  const client = { address: '2001:db8::1' as IpAddress, port: 40212 }
  t.match(await ask({ transport: 'tcp', client, question: question({ name: '.' }) }), {
    additionals: [
      { ...addressRecord('2001:db8::1', '.'), ttl: 0 },
      { ...srv, name: '_tcp.' },
    ],
  })
})
