import { check, type Row } from '../../helper/lookups.ts'
import { zoneOptions } from '../../helper/sample-cluster.ts'

const ip6 = (...nibbles: string[]) => `${nibbles.join('')}ip6.arpa.`
check('reverse names', [
  [
    'a cluster IP',
    'PTR',
    '1.0.0.10.in-addr.arpa.',
    ['1.0.0.10.in-addr.arpa. 5 PTR svc1.testns.svc.D'],
  ],
  [
    'an endpoint of two Services',
    'PTR',
    '2.0.0.172.in-addr.arpa.',
    [
      '2.0.0.172.in-addr.arpa. 5 PTR 172-0-0-2.shared.other.svc.D',
      '2.0.0.172.in-addr.arpa. 5 PTR 172-0-0-2.hdls.testns.svc.D',
    ],
  ],
  ['an endpoint that is not ready', 'PTR', '6.0.0.172.in-addr.arpa.', 'NXDOMAIN'],
  ['an external address', 'PTR', '1.113.0.203.in-addr.arpa.', 'NXDOMAIN'],
  ['a Pod without Service', 'PTR', '1.0.9.10.in-addr.arpa.', 'NXDOMAIN'],
  ['an unknown address', 'PTR', '9.9.9.9.in-addr.arpa.', 'NXDOMAIN'],
  [
    'an IPv6 cluster IP',
    'PTR',
    ip6('3.', '0.'.repeat(27), '0.0.d.f.'),
    [`${ip6('3.', '0.'.repeat(27), '0.0.d.f.')} 5 PTR dual.testns.svc.D`],
  ],
  [
    'an IPv6 endpoint',
    'PTR',
    ip6('0.'.repeat(24), '0.1.0.0.', '0.0.d.f.'),
    [`${ip6('0.'.repeat(24), '0.1.0.0.', '0.0.d.f.')} 5 PTR fd00-10--0.hdls.testns.svc.D`],
  ],
  ['incomplete', 'PTR', '0.10.in-addr.arpa.', 'NXDOMAIN'],
  ['too long', 'PTR', '1.1.0.0.10.in-addr.arpa.', 'NXDOMAIN'],
  ['incomplete IPv6', 'PTR', '0.0.d.f.ip6.arpa.', 'NXDOMAIN'],
  ...['A', 'AAAA', 'TXT', 'SRV'].flatMap((type): Row[] => [
    ['only PTR below the apex', type, '1.0.0.10.in-addr.arpa.', 'NXDOMAIN'],
    ['the apex', type, 'in-addr.arpa.', 'NODATA'],
  ]),
  ['PTR of an existing forward name', 'PTR', 'svc1.testns.svc.D', 'NODATA'],
  ['PTR of a missing forward name', 'PTR', 'nope.testns.svc.D', 'NXDOMAIN'],
])

check(
  'namespaces hides Services and endpoints of others',
  [
    ['a Service', 'PTR', '1.1.0.10.in-addr.arpa.', 'NXDOMAIN'],
    [
      'an endpoint',
      'PTR',
      '2.0.0.172.in-addr.arpa.',
      ['2.0.0.172.in-addr.arpa. 5 PTR 172-0-0-2.hdls.testns.svc.D'],
    ],
  ],
  zoneOptions({ namespaces: new Set(['testns']) }),
)
