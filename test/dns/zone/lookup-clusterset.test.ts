import { IMPORT_NAME_LABEL, type ServiceImport, SOURCE_CLUSTER_LABEL } from '#cluster/objects.ts'
import { ZoneIndex } from '#dns/zone/zone-index.ts'
import * as cluster from '../../helper/cluster.ts'
import { check } from '../../helper/lookups.ts'
import { zoneOptions } from '../../helper/sample-cluster.ts'
import { added, endpoint, namespace, port, service, slice } from '../../helper/zone-cluster.ts'

// Names of a set of clusters: specification 7.10, KEP 1645's DNS specification 1.0.0.

const serviceImport = (
  name: string,
  fields: Partial<Pick<ServiceImport, 'type' | 'ips'>> & {
    readonly ports?: readonly string[]
  } = {},
): ServiceImport => ({
  kind: 'ServiceImport',
  metadata: { name, namespace: 'testns', labels: {} },
  type: 'ClusterSetIP',
  ips: [],
  ...fields,
  ports: (fields.ports ?? ['http/TCP/80']).map(port),
})

/** @param from the cluster that the endpoints are in. */
const importedSlice = (of: string, from: string | undefined, addresses: readonly string[]) =>
  cluster.slice({
    name: `${of}-${from}`,
    namespace: 'testns',
    labels: {
      [IMPORT_NAME_LABEL]: of,
      ...(from === undefined ? {} : { [SOURCE_CLUSTER_LABEL]: from }),
    },
    ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    endpoints: addresses.map((address, at) => endpoint(address, { hostname: `pet-${at}` })),
  })

const index = new ZoneIndex({ podNames: false, of: 'clusterset' })
for (const object of [
  namespace('testns'),
  service({ name: 'local', ips: ['10.0.0.1'] }),
  slice({ of: 'pets', name: 'local-pets', endpoints: [endpoint('172.9.9.9')] }),
  serviceImport('db', { ips: ['10.42.0.1', 'fd42::1'] }),
  importedSlice('db', 'b', ['172.3.0.1']),
  serviceImport('young'),
  serviceImport('pets', { type: 'Headless' }),
  importedSlice('pets', 'A', ['172.1.0.1', '172.1.0.2']),
  importedSlice('pets', 'b', ['172.2.0.1']),
  serviceImport('none', { type: 'Headless' }),
]) {
  index.apply(added(object), 1_700_000_000_000)
}

const name = (...labels: readonly string[]) => `${labels.join('.')}.testns.svc.D`
const [db, pets] = [name('db'), name('pets')]

check(
  'names of a set of clusters',
  [
    ['an address of the set', 'A', db, [`${db} 5 A 10.42.0.1`]],
    ['of both families', 'AAAA', db, [`${db} 5 AAAA fd42::1`]],
    [
      'SRV of a port',
      'SRV',
      name('_http', '_tcp', 'db'),
      [
        `${name('_http', '_tcp', 'db')} 5 SRV 0 50 80 ${db}`,
        `+ ${db} 5 A 10.42.0.1`,
        `+ ${db} 5 AAAA fd42::1`,
      ],
    ],
    ['no cluster’s own part of it', 'A', name('pet-0', 'b', 'db'), 'NXDOMAIN'],
    ['nor its endpoints', 'A', name('pet-0', 'db'), 'NXDOMAIN'],
    ['without an address yet', 'A', name('young'), 'NODATA'],
    [
      'headless: the endpoints of all clusters',
      'A',
      pets,
      [`${pets} 5 A 172.1.0.1`, `${pets} 5 A 172.1.0.2`, `${pets} 5 A 172.2.0.1`],
    ],
    ['headless without endpoints', 'A', name('none'), 'NXDOMAIN'],
    [
      'an endpoint of a cluster',
      'A',
      name('pet-0', 'b', 'pets'),
      [`${name('pet-0', 'b', 'pets')} 5 A 172.2.0.1`],
    ],
    [
      'in any case',
      'A',
      name('Pet-1', 'A', 'pets'),
      [`${name('Pet-1', 'A', 'pets')} 5 A 172.1.0.2`],
    ],
    ['an endpoint that the cluster has not', 'A', name('pet-1', 'b', 'pets'), 'NXDOMAIN'],
    ['an endpoint without its cluster', 'A', name('pet-0', 'pets'), 'NXDOMAIN'],
    [
      'SRV of a headless port',
      'SRV',
      name('_http', '_tcp', 'pets'),
      [
        ...['pet-0.a', 'pet-1.a', 'pet-0.b'].map(
          pet => `${name('_http', '_tcp', 'pets')} 5 SRV 0 33 80 ${name(pet, 'pets')}`,
        ),
        `+ ${name('pet-0.a', 'pets')} 5 A 172.1.0.1`,
        `+ ${name('pet-1.a', 'pets')} 5 A 172.1.0.2`,
        `+ ${name('pet-0.b', 'pets')} 5 A 172.2.0.1`,
      ],
    ],
    [
      'one underscore makes a port',
      'A',
      name('_http', 'tcp', 'db'),
      [`${name('_http', 'tcp', 'db')} 5 A 10.42.0.1`],
    ],
    ['none makes an endpoint', 'A', name('http', 'tcp', 'db'), 'NXDOMAIN'],
    ['no zonal names', 'A', name('west', 'pin', '_zone', 'pets'), 'NXDOMAIN'],
    ['a Service of the cluster itself', 'A', name('local'), 'NXDOMAIN'],
    ['its version is its own', 'TXT', 'dns-version.D', ['dns-version.D 28800 TXT "1.0.0"']],
    ['a namespace', 'A', 'testns.svc.D', 'NODATA'],
    [
      'PTR of an address of the set',
      'PTR',
      '1.0.42.10.in-addr.arpa.',
      [`1.0.42.10.in-addr.arpa. 5 PTR ${db}`],
    ],
    [
      'PTR of an endpoint',
      'PTR',
      '1.0.2.172.in-addr.arpa.',
      [`1.0.2.172.in-addr.arpa. 5 PTR ${name('pet-0.b', 'pets')}`],
    ],
  ],
  zoneOptions({ zonal: true }),
  index,
)
