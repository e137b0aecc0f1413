import t from 'tap'
import { longestZone } from '#dns/name.ts'
import { lookup } from '#dns/zone/lookup.ts'
import type { Outcome } from '#dns/zone/outcome.ts'
import type { ZoneOptions } from '#dns/zone/zone-options.ts'
import type { IpAddress } from '#net/ip.ts'
import { recordsAsText } from '../../helper/records-as-text.ts'
import { indexOf, sampleObjects, zoneOptions } from '../../helper/sample-cluster.ts'
import { endpoint, namespace, service, slice } from '../../helper/zone-cluster.ts'

/** Answers, then additionals with `+ ` in front; or the word for an answer without records. */
type Expected = readonly string[] | 'NODATA' | 'NXDOMAIN' | 'REFUSED'
type Row = readonly [fact: string, type: string, name: string, expected: Expected]

const zones = ['cluster.local.', 'in-addr.arpa.', 'ip6.arpa.']
const index = indexOf(sampleObjects, 1_700_000_000_999)
const local = ['10.1.1.1', 'fd00:1::1'] as IpAddress[]

function asText(outcome: Outcome): Expected {
  switch (outcome.kind) {
    case 'answer':
      return [
        ...recordsAsText(outcome.answers),
        ...recordsAsText(outcome.additionals).map(line => `+ ${line}`),
      ]
    case 'alias':
      return [...recordsAsText(outcome.chain), `→ ${outcome.target}`]
    case 'no-data':
      return 'NODATA'
    case 'name-error':
      return 'NXDOMAIN'
    case 'refused':
      return 'REFUSED'
  }
}

/** `D` stands for the cluster's zone. */
const inFull = (text: string): string => text.replaceAll(/(?<=^|[. ])D(?= |$)/g, 'cluster.local.')

function ask(name: string, type: string, options: ZoneOptions, zoneIndex = index): Expected {
  const zone = longestZone(zones, name.toLowerCase())
  if (zone === undefined) throw new Error(`${name} is in none of the zones`)
  return asText(
    lookup(zoneIndex, options, { name, type, zone: name.slice(name.length - zone.length) }),
  )
}

function check(section: string, rows: readonly Row[], options = zoneOptions(), zoneIndex = index) {
  t.test(section, async t => {
    for (const [fact, type, name, expected] of rows) {
      const want = typeof expected === 'string' ? expected : expected.map(inFull)
      t.strictSame(ask(inFull(name), type, options, zoneIndex), want, `${fact}: ${type} ${name}`)
    }
  })
}

check('6.1 the names of the schema', [
  ['any other branch is no name', 'A', 'svc1.testns.foo.D', 'NXDOMAIN'],
  ['three labels before a Service are too many', 'A', 'a.b.c.svc1.testns.svc.D', 'NXDOMAIN'],
  ['no wildcard', 'A', '*.testns.svc.D', 'NXDOMAIN'],
  ['`any` is an ordinary label', 'A', 'any.testns.svc.D', 'NXDOMAIN'],
  ['an escaped dot does not separate', 'A', 'svc1\\.testns.svc.D', 'NXDOMAIN'],
])

check('6.2 branches and namespaces', [
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
  '6.2 namespaces that are not exposed do not exist',
  [
    ['exposed', 'A', 'svc1.testns.svc.D', ['svc1.testns.svc.D 5 A 10.0.0.1']],
    ['not exposed', 'A', 'svc1.other.svc.D', 'NXDOMAIN'],
    ['its node', 'A', 'other.svc.D', 'NXDOMAIN'],
  ],
  zoneOptions({ namespaces: new Set(['testns']) }),
)

check(
  '6.2 namespaces outside the selector do not exist',
  [
    ['selected', 'A', 'svc1.other.svc.D', ['svc1.other.svc.D 5 A 10.0.1.1']],
    ['not selected', 'A', 'testns.svc.D', 'NXDOMAIN'],
    // CoreDNS shows them in reverse zones all the same.
    ['PTR', 'PTR', '1.0.0.10.in-addr.arpa.', ['1.0.0.10.in-addr.arpa. 5 PTR svc1.testns.svc.D']],
  ],
  zoneOptions({ selectsNamespace: labels => labels['team'] === 'b' }),
)

check('6.3 Services with cluster IPs', [
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

check('6.4 headless Services', [
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
  '6.4 endpoints named by their Pods',
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

check('6.5 pods with hostname and subdomain', [
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

check('6.6 ExternalName', [
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
t.test('6.6 chains have at most 10 aliases', async t => {
  const ten = ask('x1.testns.svc.cluster.local.', 'A', zoneOptions(), indexOf(aliases(10)))
  t.equal(ten.length, 11)
  const eleven = ask('x1.testns.svc.cluster.local.', 'A', zoneOptions(), indexOf(aliases(11)))
  t.equal(eleven, 'NODATA')
})

check('6.7 pods disabled', [['no names', 'A', '10-9-0-1.testns.pod.D', 'NXDOMAIN']])

check(
  '6.7 pods insecure',
  [
    ['any address', 'A', '10-1-2-3.testns.pod.D', ['10-1-2-3.testns.pod.D 5 A 10.1.2.3']],
    ['the other family', 'AAAA', '10-1-2-3.testns.pod.D', 'NODATA'],
    ['IPv6', 'AAAA', 'fd00--7.testns.pod.D', ['fd00--7.testns.pod.D 5 AAAA fd00::7']],
    ['the namespace must exist', 'A', '10-1-2-3.nope.pod.D', 'NXDOMAIN'],
    ['leading zeros', 'A', '10-1-2-03.testns.pod.D', 'NXDOMAIN'],
    ['out of range', 'A', '10-1-2-256.testns.pod.D', 'NXDOMAIN'],
    ['no address', 'A', 'web-0.testns.pod.D', 'NXDOMAIN'],
    [
      'up to two labels in front do not matter',
      'A',
      'a.b.10-1-2-3.testns.pod.D',
      ['a.b.10-1-2-3.testns.pod.D 5 A 10.1.2.3'],
    ],
    ['three are too many', 'A', 'a.b.c.10-1-2-3.testns.pod.D', 'NXDOMAIN'],
    [
      'SRV',
      'SRV',
      '10-1-2-3.testns.pod.D',
      [
        '10-1-2-3.testns.pod.D 5 SRV 0 100 0 10-1-2-3.testns.pod.D',
        '+ 10-1-2-3.testns.pod.D 5 A 10.1.2.3',
      ],
    ],
    ['the namespace', 'A', 'testns.pod.D', 'NODATA'],
    ['a missing namespace', 'A', 'nope.pod.D', 'NXDOMAIN'],
  ],
  zoneOptions({ pods: 'insecure' }),
)

check(
  '6.7 pods verified',
  [
    ['a running Pod', 'A', '10-9-0-1.testns.pod.D', ['10-9-0-1.testns.pod.D 5 A 10.9.0.1']],
    ['a pending Pod', 'A', '10-9-0-4.testns.pod.D', ['10-9-0-4.testns.pod.D 5 A 10.9.0.4']],
    ['a finished Pod', 'A', '10-9-0-2.testns.pod.D', 'NXDOMAIN'],
    ['a Pod of another namespace', 'A', '10-9-0-3.testns.pod.D', 'NXDOMAIN'],
    ['no Pod', 'A', '10-1-2-3.testns.pod.D', 'NXDOMAIN'],
  ],
  zoneOptions({ pods: 'verified' }),
)

const ip6 = (...nibbles: string[]) => `${nibbles.join('')}ip6.arpa.`
check('6.8 reverse names', [
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
  '6.8 namespaces hides Services and endpoints of others',
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

const SOA = 'ns.dns.D hostmaster.D 1700000000 7200 1800 86400'
check('6.9 other types', [
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
  '6.9 NS names the server itself',
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
  '6.9 NS names the Services that the server is an endpoint of, exposed or not',
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
  '6.10 the TTL of an SOA record is at most 300, its minimum the zone’s TTL',
  [['ttl 3600', 'SOA', 'D', [`D 300 SOA ${SOA} 3600`]]],
  zoneOptions({ ttl: 3600 }),
)

check('6.11 letter case', [
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
  '7.7 empty Services are no names when they are to be ignored',
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
