import { check } from '../../helper/lookups.ts'
import { indexOf, zoneOptions } from '../../helper/sample-cluster.ts'
import { endpoint, namespace, service, slice } from '../../helper/zone-cluster.ts'

// Names of the endpoints in a zone of the topology (specification 7.11, CoreDNS's option `zonal`).

const zonedSlice = (
  of: string,
  name: string,
  zones: Readonly<Record<string, string | undefined>>,
) =>
  slice({
    of,
    name,
    endpoints: Object.entries(zones).map(([address, zone]) => endpoint(address, { zone })),
  })

const index = indexOf([
  namespace('testns'),
  service({ name: 'hdls', ips: ['None'] }),
  zonedSlice('hdls', 'hdls-a', { '172.0.0.1': 'West-1a', '172.0.0.2': 'west.1b' }),
  zonedSlice('hdls', 'hdls-b', { '172.0.0.3': 'west.1b', '172.0.0.4': undefined }),
  zonedSlice('hdls', 'hdls-c', { 'fd00::1': 'west-1a' }),
  service({ name: 'gone', ips: ['None'] }),
  service({ name: 'svc1', ips: ['10.0.0.1'] }),
  zonedSlice('svc1', 'svc1-a', { '172.0.0.9': 'west-1a' }),
])
const named = (...labels: readonly string[]) => `${labels.join('.')}.testns.svc.D`
const pin = named('west-1a', 'pin', '_zone', 'hdls')
const pinDotted = named('west.1b', 'pin', '_zone', 'hdls')
const prefer = named('west-1a', 'prefer', '_zone', 'hdls')
const preferNone = named('east', 'prefer', '_zone', 'hdls')

check(
  'with zonal',
  [
    ['only endpoints there, whatever case', 'A', pin, [`${pin} 5 A 172.0.0.1`]],
    ['of the family asked for', 'AAAA', pin, [`${pin} 5 AAAA fd00::1`]],
    [
      'a topology zone with dots',
      'A',
      pinDotted,
      [`${pinDotted} 5 A 172.0.0.2`, `${pinDotted} 5 A 172.0.0.3`],
    ],
    ['preferred, and there are some', 'A', prefer, [`${prefer} 5 A 172.0.0.1`]],
    [
      'preferred, and there are none: all',
      'A',
      preferNone,
      ['1', '2', '3', '4'].map(last => `${preferNone} 5 A 172.0.0.${last}`),
    ],
    [
      'SRV is narrowed alike',
      'SRV',
      pinDotted,
      [
        `${pinDotted} 5 SRV 0 50 80 172-0-0-2.hdls.testns.svc.D`,
        `${pinDotted} 5 SRV 0 50 80 172-0-0-3.hdls.testns.svc.D`,
        '+ 172-0-0-2.hdls.testns.svc.D 5 A 172.0.0.2',
        '+ 172-0-0-3.hdls.testns.svc.D 5 A 172.0.0.3',
      ],
    ],
    ['pinned, and there are none', 'A', named('east', 'pin', '_zone', 'hdls'), 'NODATA'],
    ['of no type', 'TXT', named('east', 'pin', '_zone', 'hdls'), 'NODATA'],
    ['no endpoint at all', 'A', named('east', 'prefer', '_zone', 'gone'), 'NODATA'],
    ['no such Service', 'A', named('west-1a', 'pin', '_zone', 'nope'), 'NXDOMAIN'],
    ['a Service with cluster IP', 'A', named('west-1a', 'pin', '_zone', 'svc1'), 'NXDOMAIN'],
    ['another word', 'A', named('west-1a', 'near', '_zone', 'hdls'), 'NXDOMAIN'],
    ['no topology zone', 'A', named('pin', '_zone', 'hdls'), 'NXDOMAIN'],
    [
      'other names as ever',
      'A',
      named('172-0-0-1', 'hdls'),
      [`${named('172-0-0-1', 'hdls')} 5 A 172.0.0.1`],
    ],
  ],
  zoneOptions({ zonal: true }),
  index,
)

check(
  'without zonal they are too long',
  [
    ['pin', 'A', pin, 'NXDOMAIN'],
    ['prefer', 'A', preferNone, 'NXDOMAIN'],
  ],
  zoneOptions(),
  index,
)
