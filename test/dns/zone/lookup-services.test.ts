import { check, type Row } from '../../helper/lookups.ts'
import { indexOf, sampleObjects, zoneOptions } from '../../helper/sample-cluster.ts'
import { endpoint, service, slice } from '../../helper/zone-cluster.ts'

check('Services with cluster IPs', [
  ['A', 'A', 'svc1.testns.svc.D', ['svc1.testns.svc.D 5 A 10.0.0.1']],
  ['the other family is NODATA, not a name error', 'AAAA', 'svc1.testns.svc.D', 'NODATA'],
  ['IPv6 only', 'AAAA', 'six.testns.svc.D', ['six.testns.svc.D 5 AAAA fd00::6']],
  ['IPv6 only', 'A', 'six.testns.svc.D', 'NODATA'],
  ['dual stack', 'A', 'dual.testns.svc.D', ['dual.testns.svc.D 5 A 10.0.0.3']],
  ['dual stack', 'AAAA', 'dual.testns.svc.D', ['dual.testns.svc.D 5 AAAA fd00::3']],
  ['without endpoints', 'A', 'lb.testns.svc.D', ['lb.testns.svc.D 5 A 10.0.0.2']],
  [
    'SRV of a named port',
    'SRV',
    '_http._tcp.svc1.testns.svc.D',
    [
      '_http._tcp.svc1.testns.svc.D 5 SRV 0 100 80 svc1.testns.svc.D',
      '+ svc1.testns.svc.D 5 A 10.0.0.1',
    ],
  ],
  [
    'the underscores may be left out',
    'SRV',
    'http.tcp.svc1.testns.svc.D',
    [
      'http.tcp.svc1.testns.svc.D 5 SRV 0 100 80 svc1.testns.svc.D',
      '+ svc1.testns.svc.D 5 A 10.0.0.1',
    ],
  ],
  [
    'SRV of two families: weight 50, one record, both addresses',
    'SRV',
    'dual.testns.svc.D',
    [
      'dual.testns.svc.D 5 SRV 0 50 80 dual.testns.svc.D',
      '+ dual.testns.svc.D 5 A 10.0.0.3',
      '+ dual.testns.svc.D 5 AAAA fd00::3',
    ],
  ],
  [
    'SRV of three ports: weight 33',
    'SRV',
    'three.testns.svc.D',
    [
      'three.testns.svc.D 5 SRV 0 33 1 three.testns.svc.D',
      'three.testns.svc.D 5 SRV 0 33 2 three.testns.svc.D',
      'three.testns.svc.D 5 SRV 0 33 3 three.testns.svc.D',
      '+ three.testns.svc.D 5 A 10.0.0.4',
    ],
  ],
  [
    'two ports of one number: one record of half the weight',
    'SRV',
    'dns.testns.svc.D',
    ['dns.testns.svc.D 5 SRV 0 50 53 dns.testns.svc.D', '+ dns.testns.svc.D 5 A 10.0.0.10'],
  ],
  [
    'SRV of the bare name has unnamed ports too',
    'SRV',
    'unnamed.testns.svc.D',
    [
      'unnamed.testns.svc.D 5 SRV 0 100 80 unnamed.testns.svc.D',
      '+ unnamed.testns.svc.D 5 A 10.0.0.5',
    ],
  ],
  ['an unnamed port has no name of its own', 'SRV', '_._tcp.unnamed.testns.svc.D', 'NXDOMAIN'],
  ['no such port', 'SRV', '_https._tcp.svc1.testns.svc.D', 'NXDOMAIN'],
  ['no such protocol', 'SRV', '_http._udp.svc1.testns.svc.D', 'NXDOMAIN'],
  [
    'a port name has the addresses',
    'A',
    '_http._tcp.svc1.testns.svc.D',
    ['_http._tcp.svc1.testns.svc.D 5 A 10.0.0.1'],
  ],
  [
    'a protocol alone is an endpoint that is not there',
    'SRV',
    '_tcp.svc1.testns.svc.D',
    'NXDOMAIN',
  ],
  [
    'an endpoint',
    'A',
    '172-0-0-1.svc1.testns.svc.D',
    ['172-0-0-1.svc1.testns.svc.D 5 A 172.0.0.1'],
  ],
  ['an endpoint that is not ready', 'A', '172-0-0-9.svc1.testns.svc.D', 'NXDOMAIN'],
])

check('headless Services', [
  [
    'every counted address once',
    'A',
    'hdls.testns.svc.D',
    ['2', '3', '4', '5', '7'].map(last => `hdls.testns.svc.D 5 A 172.0.0.${last}`),
  ],
  ['the other family', 'AAAA', 'hdls.testns.svc.D', ['hdls.testns.svc.D 5 AAAA fd00:10::']],
  ['only the other family', 'AAAA', 'web.testns.svc.D', 'NODATA'],
  ...['A', 'AAAA', 'SRV', 'MX', 'TXT', 'CNAME'].map(
    (type): Row => ['no counted endpoint', type, 'none-ready.testns.svc.D', 'NXDOMAIN'],
  ),
  [
    'an endpoint by its address',
    'A',
    '172-0-0-2.hdls.testns.svc.D',
    ['172-0-0-2.hdls.testns.svc.D 5 A 172.0.0.2'],
  ],
  ['other family of an endpoint', 'AAAA', '172-0-0-2.hdls.testns.svc.D', 'NODATA'],
  [
    'IPv6 that ends in colons',
    'AAAA',
    'fd00-10--0.hdls.testns.svc.D',
    ['fd00-10--0.hdls.testns.svc.D 5 AAAA fd00:10::'],
  ],
  [
    'equal hostnames',
    'A',
    'dup.hdls.testns.svc.D',
    ['dup.hdls.testns.svc.D 5 A 172.0.0.4', 'dup.hdls.testns.svc.D 5 A 172.0.0.5'],
  ],
  ['no dashed form beside a hostname', 'A', '172-0-0-4.hdls.testns.svc.D', 'NXDOMAIN'],
  ['pod names are not asked for', 'A', 'pod-7.hdls.testns.svc.D', 'NXDOMAIN'],
  ['not ready', 'A', '172-0-0-6.hdls.testns.svc.D', 'NXDOMAIN'],
  ['unknown', 'A', 'nope.hdls.testns.svc.D', 'NXDOMAIN'],
  [
    'SRV: 7 addresses and 1 port, weights before equal records merge',
    'SRV',
    '_http._tcp.hdls.testns.svc.D',
    [
      '_http._tcp.hdls.testns.svc.D 5 SRV 0 14 80 172-0-0-2.hdls.testns.svc.D',
      '_http._tcp.hdls.testns.svc.D 5 SRV 0 14 80 172-0-0-3.hdls.testns.svc.D',
      '_http._tcp.hdls.testns.svc.D 5 SRV 0 14 80 dup.hdls.testns.svc.D',
      '_http._tcp.hdls.testns.svc.D 5 SRV 0 14 80 172-0-0-7.hdls.testns.svc.D',
      '_http._tcp.hdls.testns.svc.D 5 SRV 0 14 80 fd00-10--0.hdls.testns.svc.D',
      '+ 172-0-0-2.hdls.testns.svc.D 5 A 172.0.0.2',
      '+ 172-0-0-3.hdls.testns.svc.D 5 A 172.0.0.3',
      '+ dup.hdls.testns.svc.D 5 A 172.0.0.4',
      '+ dup.hdls.testns.svc.D 5 A 172.0.0.5',
      '+ 172-0-0-7.hdls.testns.svc.D 5 A 172.0.0.7',
      '+ fd00-10--0.hdls.testns.svc.D 5 AAAA fd00:10::',
    ],
  ],
  [
    'SRV of an endpoint',
    'SRV',
    '172-0-0-3.hdls.testns.svc.D',
    [
      '172-0-0-3.hdls.testns.svc.D 5 SRV 0 100 80 172-0-0-3.hdls.testns.svc.D',
      '+ 172-0-0-3.hdls.testns.svc.D 5 A 172.0.0.3',
    ],
  ],
  ['no such port', 'A', '_nope._tcp.hdls.testns.svc.D', 'NXDOMAIN'],
  [
    'no port at all: addresses',
    'A',
    'portless.testns.svc.D',
    ['portless.testns.svc.D 5 A 172.0.2.1'],
  ],
  ['no port at all: no SRV', 'SRV', 'portless.testns.svc.D', 'NODATA'],
])

check(
  'endpoints named by their Pods',
  [
    ['the pod name', 'A', 'pod-7.hdls.testns.svc.D', ['pod-7.hdls.testns.svc.D 5 A 172.0.0.7']],
    ['not by address', 'A', '172-0-0-7.hdls.testns.svc.D', 'NXDOMAIN'],
    [
      'no pod: by address',
      'A',
      '172-0-0-3.hdls.testns.svc.D',
      ['172-0-0-3.hdls.testns.svc.D 5 A 172.0.0.3'],
    ],
    ['64 octets are too long', 'A', `${'p'.repeat(64)}.long.testns.svc.D`, 'NXDOMAIN'],
    [
      'so it is the address',
      'A',
      '172-0-9-1.long.testns.svc.D',
      ['172-0-9-1.long.testns.svc.D 5 A 172.0.9.1'],
    ],
    [
      '63 fit',
      'A',
      `${'p'.repeat(63)}.long.testns.svc.D`,
      [`${'p'.repeat(63)}.long.testns.svc.D 5 A 172.0.9.2`],
    ],
  ],
  zoneOptions(),
  indexOf(
    [
      ...sampleObjects,
      service({ name: 'long', ips: ['None'] }),
      slice({
        of: 'long',
        endpoints: [
          endpoint('172.0.9.1', { podName: 'p'.repeat(64) }),
          endpoint('172.0.9.2', { podName: 'p'.repeat(63) }),
        ],
      }),
    ],
    0,
    true,
  ),
)

check('pods with hostname and subdomain', [
  [
    'a pod of a StatefulSet',
    'A',
    'web-0.web.testns.svc.D',
    ['web-0.web.testns.svc.D 5 A 172.0.3.1'],
  ],
  ['only while it is ready', 'A', 'web-1.web.testns.svc.D', 'NXDOMAIN'],
  [
    'its PTR',
    'PTR',
    '1.3.0.172.in-addr.arpa.',
    ['1.3.0.172.in-addr.arpa. 5 PTR web-0.web.testns.svc.D'],
  ],
])
