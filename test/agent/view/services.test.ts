import t from 'tap'
import { endpointsView, oneService, servicesView } from '#agent/view/services.ts'
import { Store } from '#cluster/store.ts'
import { endpoint, service, slice } from '../../helper/zone-cluster.ts'

function shop() {
  const store = new Store()
  store.replaceAll('Service', [
    service({ name: 'web', ips: ['10.96.0.2'], ports: ['http/TCP/80', 'dns/UDP/53'] }),
    service({ name: 'api', ips: ['10.96.0.1'], externalIPs: ['192.0.2.1'] }),
    service({ name: 'out', externalName: 'example.com', ports: [] }),
    service({ name: 'last', namespace: 'z', ips: ['10.96.0.3'] }),
  ])
  store.replaceAll('EndpointSlice', [
    slice({ of: 'web', endpoints: [endpoint('10.4.0.1'), endpoint('10.4.0.2', { ready: false })] }),
    slice({ of: 'web', name: 'web-2', endpoints: [endpoint('10.4.0.1'), endpoint('10.4.0.3')] }),
    slice({ of: 'web', name: 'other', namespace: 'z', endpoints: [endpoint('10.4.0.9')] }),
  ])
  return store
}

t.test('Services come by namespace and name', t => {
  t.strictSame(
    servicesView(shop(), new Map()).map(({ namespace, name }) => `${namespace}/${name}`),
    ['testns/api', 'testns/out', 'testns/web', 'z/last'],
  )
  t.end()
})

t.test('an endpoint counts once, however many slices it is in, and only for ports it has', t => {
  const [http, dns] = oneService(shop(), 'testns/web', new Map())?.ports ?? []
  t.match(http, { name: 'http', port: 80, endpoints: 3, ready: 2 })
  t.match(dns, { name: 'dns', protocol: 'UDP', endpoints: 0, ready: 0 })
  t.end()
})

t.test('a port has the traffic of its service port', t => {
  const traffic = { connections: 3, packets: 20, bytes: 1_000 }
  const counted = new Map([['testns/web:http/TCP', traffic]])
  const [http, dns] = oneService(shop(), 'testns/web', counted)?.ports ?? []
  t.strictSame(http?.traffic, traffic)
  t.equal(dns?.traffic, undefined)
  t.end()
})

t.test('what is outside is told: external addresses and names', t => {
  const [api, out] = servicesView(shop(), new Map())
  t.match(api, { clusterIPs: ['10.96.0.1'], externalIPs: ['192.0.2.1'] })
  t.match(out, { type: 'ExternalName', externalName: 'example.com', ports: [] })
  t.equal(oneService(shop(), 'testns/none', new Map()), undefined)
  t.end()
})

t.test('endpoints are those of the Service’s own namespace, each port of each', t => {
  t.strictSame(
    endpointsView(shop(), 'testns/web').map(({ slice, address, port, ready }) => [
      slice,
      address,
      port,
      ready,
    ]),
    [
      ['web-1', '10.4.0.1', 80, true],
      ['web-1', '10.4.0.2', 80, false],
      ['web-2', '10.4.0.1', 80, true],
      ['web-2', '10.4.0.3', 80, true],
    ],
  )
  t.end()
})
