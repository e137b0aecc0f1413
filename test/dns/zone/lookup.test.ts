import { type IpAddress } from '#net/ip.ts'
import { check, type Row } from '../../helper/lookups.ts'
import { indexOf, sampleObjects, zoneOptions } from '../../helper/sample-cluster.ts'
import { endpoint, service, slice } from '../../helper/zone-cluster.ts'

check('the names of the schema', [
  ['any other branch is no name', 'A', 'svc1.testns.foo.D', 'NXDOMAIN'],
  ['three labels before a Service are too many', 'A', 'a.b.c.svc1.testns.svc.D', 'NXDOMAIN'],
  ['no wildcard', 'A', '*.testns.svc.D', 'NXDOMAIN'],
  ['`any` is an ordinary label', 'A', 'any.testns.svc.D', 'NXDOMAIN'],
  ['an escaped dot does not separate', 'A', 'svc1\\.testns.svc.D', 'NXDOMAIN'],
])

check('branches and namespaces', [
  ['an existing namespace', 'A', 'testns.svc.D', 'NODATA'],
  ['a missing namespace', 'A', 'nope.svc.D', 'NXDOMAIN'],
  ['a Service of a missing namespace', 'A', 'hidden.nonexistent.svc.D', 'NXDOMAIN'],
  ...['A', 'AAAA', 'SRV', 'MX', 'PTR', 'HINFO', 'HTTPS'].flatMap((type): Row[] => [
    ['the apex', type, 'D', 'NODATA'],
    ['the branch of Services', type, 'svc.D', 'NODATA'],
    ['the branch of pods', type, 'pod.D', 'NODATA'],
  ]),
  ['pods disabled: no namespace below pod', 'A', 'testns.pod.D', 'NXDOMAIN'],
])

check(
  'namespaces that are not exposed do not exist',
  [
    ['exposed', 'A', 'svc1.testns.svc.D', ['svc1.testns.svc.D 5 A 10.0.0.1']],
    ['not exposed', 'A', 'svc1.other.svc.D', 'NXDOMAIN'],
    ['its node', 'A', 'other.svc.D', 'NXDOMAIN'],
  ],
  zoneOptions({ namespaces: new Set(['testns']) }),
)

check(
  'namespaces outside the selector do not exist',
  [
    ['selected', 'A', 'svc1.other.svc.D', ['svc1.other.svc.D 5 A 10.0.1.1']],
    ['not selected', 'A', 'testns.svc.D', 'NXDOMAIN'],
    // CoreDNS shows them in reverse zones all the same.
    ['PTR', 'PTR', '1.0.0.10.in-addr.arpa.', ['1.0.0.10.in-addr.arpa. 5 PTR svc1.testns.svc.D']],
  ],
  zoneOptions({ selectsNamespace: labels => labels['team'] === 'b' }),
)

const local = ['10.1.1.1', 'fd00:1::1'] as IpAddress[]

const SOA = 'ns.dns.D hostmaster.D 1700000000 7200 1800 86400'
check('other types', [
  ['the version', 'TXT', 'dns-version.D', ['dns-version.D 28800 TXT "1.1.0"']],
  ['the version has no other type', 'A', 'dns-version.D', 'NXDOMAIN'],
  ['TXT where there are addresses', 'TXT', 'svc1.testns.svc.D', 'NODATA'],
  ['TXT of a branch', 'TXT', 'svc.D', 'NXDOMAIN'],
  ['TXT of a namespace', 'TXT', 'testns.svc.D', 'NXDOMAIN'],
  ['TXT of the apex', 'TXT', 'D', 'NXDOMAIN'],
  ['SOA of the apex', 'SOA', 'D', [`D 5 SOA ${SOA} 5`]],
  ['SOA of an existing name', 'SOA', 'svc1.testns.svc.D', 'NODATA'],
  ['SOA of a missing name', 'SOA', 'nope.testns.svc.D', 'NODATA'],
  ['NS of an existing name', 'NS', 'svc1.testns.svc.D', 'NODATA'],
  ['NS of a missing name', 'NS', 'nope.testns.svc.D', 'NXDOMAIN'],
  ...['CNAME', 'MX', 'ANY', 'DS', 'HTTPS', 'SVCB', 'HINFO', 'TYPE65280'].flatMap((type): Row[] => [
    ['an existing name', type, 'svc1.testns.svc.D', 'NODATA'],
    ['a missing name', type, 'nope.testns.svc.D', 'NXDOMAIN'],
  ]),
  ['no transfer', 'AXFR', 'D', 'REFUSED'],
  ['no transfer', 'IXFR', 'D', 'REFUSED'],
])

check(
  'NS names the server itself',
  [
    [
      'the zone',
      'NS',
      'D',
      ['D 5 NS ns.dns.D', '+ ns.dns.D 5 A 10.1.1.1', '+ ns.dns.D 5 AAAA fd00:1::1'],
    ],
    ['its addresses', 'A', 'ns.dns.D', ['ns.dns.D 5 A 10.1.1.1']],
    ['its addresses', 'AAAA', 'ns.dns.D', ['ns.dns.D 5 AAAA fd00:1::1']],
  ],
  zoneOptions({ localAddresses: local }),
)

check(
  'NS names the Services that the server is an endpoint of, exposed or not',
  [
    [
      'with cluster IP',
      'NS',
      'D',
      [
        'D 5 NS kube-dns.kube-system.svc.D',
        'D 5 NS 10-1-1-1.peers.kube-system.svc.D',
        '+ kube-dns.kube-system.svc.D 5 A 10.96.0.10',
        '+ 10-1-1-1.peers.kube-system.svc.D 5 A 10.1.1.1',
      ],
    ],
  ],
  zoneOptions({ localAddresses: local, namespaces: new Set(['testns']) }),
  indexOf([
    ...sampleObjects,
    service({ name: 'kube-dns', namespace: 'kube-system', ips: ['10.96.0.10'] }),
    slice({ of: 'kube-dns', namespace: 'kube-system', endpoints: [endpoint('10.1.1.1')] }),
    service({ name: 'peers', namespace: 'kube-system', ips: ['None'] }),
    slice({ of: 'peers', namespace: 'kube-system', endpoints: [endpoint('10.1.1.1')] }),
  ]),
)

check(
  'the TTL of an SOA record is at most 300, its minimum the zone’s TTL',
  [['ttl 3600', 'SOA', 'D', [`D 300 SOA ${SOA} 3600`]]],
  zoneOptions({ ttl: 3600 }),
)

check('letter case', [
  [
    'the owner is as asked',
    'A',
    'SvC1.TeStNs.SvC.cLuStEr.LoCaL.',
    ['SvC1.TeStNs.SvC.cLuStEr.LoCaL. 5 A 10.0.0.1'],
  ],
  [
    'targets are lower case, the zone as asked',
    'SRV',
    'SvC1.TeStNs.SvC.cLuStEr.LoCaL.',
    [
      'SvC1.TeStNs.SvC.cLuStEr.LoCaL. 5 SRV 0 100 80 svc1.testns.svc.cLuStEr.LoCaL.',
      '+ svc1.testns.svc.cLuStEr.LoCaL. 5 A 10.0.0.1',
    ],
  ],
  [
    'SOA',
    'SOA',
    'Cluster.Local.',
    [
      'Cluster.Local. 5 SOA ns.dns.Cluster.Local. hostmaster.Cluster.Local. 1700000000 7200 1800 86400 5',
    ],
  ],
  [
    'PTR targets are in the configured zone',
    'PTR',
    '1.0.0.10.IN-ADDR.ARPA.',
    ['1.0.0.10.IN-ADDR.ARPA. 5 PTR svc1.testns.svc.D'],
  ],
])

check(
  'empty Services are no names when they are to be ignored',
  [
    ['with an endpoint', 'A', 'svc1.testns.svc.D', ['svc1.testns.svc.D 5 A 10.0.0.1']],
    ['without endpoint', 'A', 'lb.testns.svc.D', 'NXDOMAIN'],
    ['any type', 'AAAA', 'lb.testns.svc.D', 'NXDOMAIN'],
    ['headless as ever', 'A', 'web.testns.svc.D', ['web.testns.svc.D 5 A 172.0.3.1']],
    [
      'ExternalName as ever',
      'CNAME',
      'ext.testns.svc.D',
      ['ext.testns.svc.D 5 CNAME Example.org.'],
    ],
  ],
  zoneOptions({ ignoreEmptyServices: true }),
)
