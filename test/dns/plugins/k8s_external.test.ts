import t from 'tap'
import { type Query, reply } from '../../../src/dns/message.ts'
import { k8sExternal } from '../../../src/dns/plugins/k8s_external/plugin.ts'
import { setupBlock } from '../../../src/dns/server/setup.ts'
import { blocksWith, clusterZone } from '../../helper/cluster-zone.ts'
import { addressRecord, directives, queryFor, setupContext } from '../../helper/dns.ts'
import { replyAsText, testedPlugin } from '../../helper/plugin.ts'
import { endpoint, namespace, service, slice } from '../../helper/zone-cluster.ts'

const zones = ['.']
const cluster = clusterZone([
  namespace('testns'),
  service({ name: 'lb', ips: ['10.0.0.1'], externalIPs: ['192.0.2.1', '2001:db8::1'] }),
  {
    ...service({ name: 'named', ips: ['10.0.0.2'] }),
    loadBalancerIngress: [{ ip: '', hostname: 'lb.example.net' }],
  },
  service({ name: 'inner', ips: ['10.0.0.3'] }),
  service({ name: 'hdls', ips: ['None'] }),
  slice({ of: 'hdls', endpoints: [endpoint('172.0.0.1')] }),
])
const lookup = ({ question: { name } }: Query) =>
  reply({ answers: [addressRecord('198.51.100.1', name)] })
const serve = (options = '') =>
  testedPlugin(k8sExternal, `k8s_external example.org in-addr.arpa {\n${options}\n}`, {
    zones,
    blocks: blocksWith(zones, cluster),
    lookup,
  })

const soa =
  'example.org. 5 SOA ns1.dns.example.org. hostmaster.dns.example.org. 1700000000 7200 1800 86400 5'
type Want = ReturnType<typeof replyAsText>
const ok = (...answers: readonly string[]): Want => ({ rcode: 'NOERROR', answers })
const noData: Want = { rcode: 'NOERROR', authorities: [soa] }
const missing: Want = { rcode: 'NXDOMAIN', authorities: [soa] }
const glue = (name: string) => [`${name} 5 A 192.0.2.1`, `${name} 5 AAAA 2001:db8::1`]
const cases: readonly [name: string, type: string, want: Want][] = [
  ['LB.testns.example.org.', 'A', ok('LB.testns.example.org. 5 A 192.0.2.1')],
  ['lb.testns.example.org.', 'AAAA', ok('lb.testns.example.org. 5 AAAA 2001:db8::1')],
  [
    '_http._tcp.lb.testns.example.org.',
    'SRV',
    {
      ...ok('_http._tcp.lb.testns.example.org. 5 SRV 0 50 80 lb.testns.example.org.'),
      rcode: 'NOERROR',
      additionals: glue('lb.testns.example.org.'),
    },
  ],
  [
    'named.testns.example.org.',
    'A',
    ok('named.testns.example.org. 5 CNAME lb.example.net.', 'lb.example.net. 5 A 198.51.100.1'),
  ],
  [
    'named.testns.example.org.',
    'SRV',
    ok('named.testns.example.org. 5 SRV 0 100 80 lb.example.net.'),
  ],
  ['lb.testns.example.org.', 'TXT', noData],
  ['testns.example.org.', 'A', noData],
  ['example.org.', 'A', noData],
  ['example.org.', 'SOA', ok(soa)],
  [
    'example.org.',
    'NS',
    {
      ...ok('example.org. 5 NS ns1.dns.example.org.'),
      rcode: 'NOERROR',
      additionals: ['ns1.dns.example.org. 5 A 10.1.1.1'],
    },
  ],
  ['ns1.dns.example.org.', 'A', ok('ns1.dns.example.org. 5 A 10.1.1.1')],
  ['dns.example.org.', 'A', noData],
  ['x.dns.example.org.', 'A', missing],
  ['inner.testns.example.org.', 'A', missing],
  ['nope.testns.example.org.', 'A', missing],
  ['lb.nope.example.org.', 'A', missing],
  ['_x._tcp.lb.testns.example.org.', 'SRV', missing],
  ['hdls.testns.example.org.', 'A', missing],
  ['1.2.0.192.in-addr.arpa.', 'PTR', ok('1.2.0.192.in-addr.arpa. 5 PTR lb.testns.example.org.')],
]
for (const [name, type, want] of cases) {
  t.test(`${name} ${type}`, async t => {
    const { ask } = await serve()
    t.strictSame(replyAsText(await ask(queryFor(name, type))), want)
  })
}

t.test('headless, ttl, apex, fallthrough', async t => {
  const { ask } = await serve('headless\nttl 30\napex names\nfallthrough')
  t.strictSame(
    replyAsText(await ask(queryFor('hdls.testns.example.org.'))),
    ok('hdls.testns.example.org. 30 A 172.0.0.1'),
  )
  t.match(replyAsText(await ask(queryFor('example.org.', 'NS'))), {
    answers: ['example.org. 30 NS ns1.names.example.org.'],
  })
  const passedOn = reply()
  t.equal(await ask(queryFor('nope.testns.example.org.'), () => passedOn), passedOn)
})

t.test('nothing is denied before the cluster was listed', async t => {
  const { ask } = await testedPlugin(k8sExternal, 'k8s_external example.org', {
    zones,
    blocks: blocksWith(zones, { ...cluster, mayDeny: () => false }),
  })
  t.match(await ask(queryFor('nope.testns.example.org.')), { rcode: 'SERVFAIL' })
})

t.test('needs kubernetes', t =>
  t.rejects(setupBlock(directives('k8s_external example.org'), setupContext()), {
    message: /Corefile:2: k8s_external: needs 'kubernetes' in the same server block/,
  }),
)
