import t from 'tap'
import { mirrorEndpoints } from '#cluster/manifests/endpoints-mirror.ts'
import { ConvertError, Raw } from '#cluster/raw.ts'
import { compileWanted } from '#cluster/selection.ts'

const filterOf = (labelSelector: string) =>
  compileWanted({ EndpointSlice: { labelSelector } }).EndpointSlice

const mirror = (subsets: unknown, metadata: object = {}, labelSelector = '') =>
  mirrorEndpoints(
    new Raw({ metadata: { name: 'db', namespace: 'shop', ...metadata }, subsets }),
    filterOf(labelSelector),
  )

t.test('addresses are ready, notReadyAddresses are not; the rest is carried over', async t => {
  const [slice, ...more] = mirror([
    {
      addresses: [
        {
          ip: '192.0.2.1',
          hostname: 'db-0',
          nodeName: 'n1',
          targetRef: { kind: 'Pod', name: 'db-0' },
        },
      ],
      notReadyAddresses: [{ ip: '192.0.2.2' }],
      ports: [{ name: 'sql', port: 5432 }],
    },
  ])
  t.strictSame(more, [])
  t.match(slice, {
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', labels: { 'kubernetes.io/service-name': 'db' } },
    addressType: 'IPv4',
    ports: [{ name: 'sql', protocol: 'TCP', port: 5432 }],
    endpoints: [
      {
        addresses: ['192.0.2.1'],
        conditions: { ready: true, terminating: false },
        hostname: 'db-0',
        nodeName: 'n1',
        podName: 'db-0',
      },
      { addresses: ['192.0.2.2'], conditions: { ready: false, terminating: false } },
    ],
  })
})

t.test(
  'each family and each set of ports has a slice; subsets with equal ports share one',
  async t => {
    const slices = mirror([
      { addresses: [{ ip: '192.0.2.1' }, { ip: '2001:DB8::1' }], ports: [{ port: 80 }] },
      { addresses: [{ ip: '192.0.2.2' }], ports: [{ port: 80 }] },
      { addresses: [{ ip: '192.0.2.3' }], ports: [{ port: 81 }] },
    ])
    const shown = slices.map(({ addressType, ports, endpoints }) => [
      addressType,
      ports[0]?.port,
      endpoints.flatMap(({ addresses }) => addresses),
    ])
    t.strictSame(shown, [
      ['IPv4', 80, ['192.0.2.1', '192.0.2.2']],
      ['IPv6', 80, ['2001:db8::1']],
      ['IPv4', 81, ['192.0.2.3']],
    ])
    t.equal(new Set(slices.map(({ metadata }) => metadata.name)).size, 3)
  },
)

t.test('what is no address is left out; of a subset 1000 addresses are taken', async t => {
  const addresses = Array.from({ length: 1001 }, (_, i) => ({ ip: `10.0.${i >> 8}.${i & 255}` }))
  const [slice] = mirror([{ addresses: [{ ip: 'nowhere' }, ...addresses] }])
  t.equal(slice?.endpoints.length, 1000)
  t.strictSame(slice?.endpoints[0]?.addresses, ['10.0.0.0'])
})

const subsets = [{ addresses: [{ ip: '192.0.2.1' }] }]
t.test('not mirrored: what says so, and locks of leader elections', async t => {
  t.strictSame(
    mirror(subsets, { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } }),
    [],
  )
  const lock = { 'control-plane.alpha.kubernetes.io/leader': '{}' }
  t.strictSame(mirror(subsets, { annotations: lock }), [])
  t.equal(
    mirror(subsets, { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'no' } }).length,
    1,
  )
})

t.test('selectors see the labels of the Endpoints and those that the controller sets', async t => {
  const metadata = { labels: { app: 'db' } }
  t.equal(mirror(subsets, metadata, 'app=db,kubernetes.io/service-name=db').length, 1)
  const manager = 'endpointslice.kubernetes.io/managed-by=endpointslicemirroring-controller.k8s.io'
  t.equal(mirror(subsets, metadata, manager).length, 1)
  t.equal(mirror(subsets, metadata, 'app!=db').length, 0)
  t.strictSame(mirrorEndpoints(new Raw({ metadata: { name: 'db' }, subsets }), undefined), [])
})

t.test('a field of the wrong type is named', async t => {
  try {
    mirror([{ addresses: [{ ip: 1 }] }])
    t.fail('was accepted')
  } catch (error) {
    t.equal(error instanceof ConvertError && error.field, 'subsets[0].addresses[0].ip')
  }
})
