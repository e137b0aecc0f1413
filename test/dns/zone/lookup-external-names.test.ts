import t from 'tap'
import { ask, check, type Row } from '../../helper/lookups.ts'
import { indexOf, zoneOptions } from '../../helper/sample-cluster.ts'
import { namespace, service } from '../../helper/zone-cluster.ts'

check('ExternalName', [
  ['CNAME', 'CNAME', 'ext.testns.svc.D', ['ext.testns.svc.D 5 CNAME Example.org.']],
  [
    'a final dot changes nothing',
    'CNAME',
    'ext-dot.testns.svc.D',
    ['ext-dot.testns.svc.D 5 CNAME example.org.'],
  ],
  [
    'a target outside is looked up',
    'A',
    'ext.testns.svc.D',
    ['ext.testns.svc.D 5 CNAME Example.org.', '→ Example.org.'],
  ],
  [
    'CNAME question: the CNAME only',
    'CNAME',
    'ext-in.testns.svc.D',
    ['ext-in.testns.svc.D 5 CNAME svc1.testns.svc.D'],
  ],
  [
    'a target inside',
    'A',
    'ext-in.testns.svc.D',
    ['ext-in.testns.svc.D 5 CNAME svc1.testns.svc.D', 'svc1.testns.svc.D 5 A 10.0.0.1'],
  ],
  [
    'a chain inside',
    'A',
    'ext-ext.testns.svc.D',
    [
      'ext-ext.testns.svc.D 5 CNAME ext-in.testns.svc.D',
      'ext-in.testns.svc.D 5 CNAME svc1.testns.svc.D',
      'svc1.testns.svc.D 5 A 10.0.0.1',
    ],
  ],
  [
    'a chain that leaves the zone',
    'A',
    'ext-out.testns.svc.D',
    [
      'ext-out.testns.svc.D 5 CNAME ext.testns.svc.D',
      'ext.testns.svc.D 5 CNAME Example.org.',
      '→ Example.org.',
    ],
  ],
  ['no record of the type inside: no CNAME either', 'AAAA', 'ext-in.testns.svc.D', 'NODATA'],
  ['a missing target inside', 'A', 'ext-missing.testns.svc.D', 'NODATA'],
  ['itself', 'A', 'ext-self.testns.svc.D', 'NODATA'],
  ['each other', 'AAAA', 'ext-a.testns.svc.D', 'NODATA'],
  ...['SRV', 'MX', 'TXT', 'HTTPS', 'ANY'].map(
    (type): Row => ['no other type', type, 'ext.testns.svc.D', 'NODATA'],
  ),
  ['no endpoints', 'A', 'a.ext.testns.svc.D', 'NXDOMAIN'],
  ['no ports', 'SRV', '_http._tcp.ext.testns.svc.D', 'NXDOMAIN'],
  ['an address is no name', 'CNAME', 'ext-ip.testns.svc.D', 'NXDOMAIN'],
])

/** `x1` points to `x2` … `xN` points to a Service. */
const aliases = (length: number) => [
  namespace('testns'),
  service({ name: 'end', ips: ['10.0.0.1'] }),
  ...Array.from({ length }, (_, at) => {
    const target = at + 1 === length ? 'end' : `x${at + 2}`
    return service({ name: `x${at + 1}`, externalName: `${target}.testns.svc.cluster.local` })
  }),
]
t.test('chains have at most 10 aliases', async t => {
  const ten = ask('x1.testns.svc.cluster.local.', 'A', zoneOptions(), indexOf(aliases(10)))
  t.equal(ten.length, 11)
  const eleven = ask('x1.testns.svc.cluster.local.', 'A', zoneOptions(), indexOf(aliases(11)))
  t.equal(eleven, 'NODATA')
})
