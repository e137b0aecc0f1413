import t from 'tap'
import { reply } from '../../../src/dns/message.ts'
import type { Exchange } from '../../../src/dns/plugin.ts'
import { log } from '../../../src/dns/plugins/log/plugin.ts'
import type { IpAddress } from '../../../src/net/ip.ts'
import { addressRecord, directives, query, question, setupContext } from '../../helper/dns.ts'

const exchange = (parts: Partial<Exchange> = {}): Exchange => ({
  query: query(),
  reply: reply({ authoritative: true, answers: [addressRecord('10.0.0.1')] }),
  rcode: 'NOERROR',
  server: 'dns://:53',
  zone: '.',
  view: '',
  plugin: 'whoami',
  requestOctets: 29,
  replyOctets: 56,
  durationSeconds: 0.00025,
  ...parts,
})

async function logged(config: string, ...exchanges: readonly Exchange[]) {
  const context = setupContext()
  const plugin = await log.setup(directives(config), context)
  for (const each of exchanges) plugin.observe?.(each)
  return context.written
}

const soa = {
  name: 'org.',
  type: 'SOA',
  class: 'IN',
  ttl: 5,
  data: { mname: '.', rname: '.', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 },
} as const
const replies = {
  success: exchange(),
  nodata: exchange({ reply: reply({ authorities: [soa] }) }),
  nxdomain: exchange({
    rcode: 'NXDOMAIN',
    reply: reply({ rcode: 'NXDOMAIN', authorities: [soa] }),
  }),
  servfail: exchange({ rcode: 'SERVFAIL', reply: reply({ rcode: 'SERVFAIL' }) }),
  refused: exchange({ rcode: 'REFUSED', reply: reply({ rcode: 'REFUSED' }) }),
  nothing: exchange({ reply: undefined, replyOctets: 0 }),
}

t.test('the common format', async t => {
  t.strictSame(await logged('log', exchange()), [
    'INFO 192.0.2.1:40212 - 4711 "A IN example.org. udp 29 false 512" NOERROR qr,aa,rd 56 0.000250000s',
  ])
})

t.test('a line tells TCP, IPv6 and EDNS; the name is in lower case', async t => {
  const asked = query({
    transport: 'tcp',
    client: { address: '2001:db8::1' as IpAddress, port: 5 },
    edns: { version: 0, udpSize: 1232, dnssecOk: true, options: [] },
    question: question({ name: 'EXAMPLE.org.', type: 'TYPE65280' }),
    checkingDisabled: true,
  })
  t.strictSame(await logged('log . "{combined}"', exchange({ query: asked })), [
    'INFO [2001:db8::1]:5 - 4711 "TYPE65280 IN example.org. tcp 29 true 65535" NOERROR qr,aa,rd,cd 56 0.000250000s "0"',
  ])
})

t.test('a format of one’s own; what is unknown or empty is a dash', async t => {
  const format = 'log . "{name} {rcode} {>rflags} {local} {/log/class} {/log/type} {nope} {/x/y}"'
  t.strictSame(await logged(format, replies.nxdomain, replies.nothing), [
    'INFO example.org. NXDOMAIN qr,rd 192.0.2.53 denial NXDOMAIN - -',
    'INFO example.org. - - 192.0.2.53 - - - -',
  ])
})

t.test('the first rule whose name fits decides', async t => {
  const config = 'log example.org "first {name}"\nlog . "second {name}"'
  const other = exchange({ query: query({ question: question({ name: 'a.net.' }) }) })
  t.strictSame(await logged(config, exchange(), other), [
    'INFO first example.org.',
    'INFO second a.net.',
  ])
  t.strictSame(await logged('log example.org', other), [])
})

const classes: readonly [config: string, want: readonly (keyof typeof replies)[]][] = [
  ['class all', ['success', 'nodata', 'nxdomain', 'servfail', 'refused', 'nothing']],
  ['class success', ['success']],
  ['class denial', ['nodata', 'nxdomain']],
  ['class error', ['servfail', 'refused']],
  ['class denial error', ['nodata', 'nxdomain', 'servfail', 'refused']],
  ['class denial\n class error', ['nodata', 'nxdomain', 'servfail', 'refused']],
]
for (const [config, want] of classes) {
  t.test(`${config} logs ${want.join(', ')}`, async t => {
    for (const [name, each] of Object.entries(replies)) {
      const lines = await logged(`log {\n ${config}\n}`, each)
      t.equal(lines.length, want.includes(name as keyof typeof replies) ? 1 : 0, name)
    }
  })
}

for (const config of ['log a..b', 'log {\n class none\n}', 'log {\n class\n}', 'log {\n nope\n}']) {
  t.test(`refuses ${JSON.stringify(config)}`, async t => {
    await t.rejects(async () => log.setup(directives(config), setupContext()), {
      code: 'ERR_CONFIG',
    })
  })
}
