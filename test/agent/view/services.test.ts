import t from 'tap'
import { ServiceCache } from '#agent/view/service-cache.ts'
import { servicePage } from '#agent/view/service-pages.ts'
import { endpointsView, oneService, servicesView, withTraffic } from '#agent/view/services.ts'
import type { ServiceView } from '#agent/view/types.ts'
import { Store } from '#cluster/store.ts'
import { HeldClock } from '../../helper/held-clock.ts'
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

t.test('Services come by namespace and name', async t => {
  t.strictSame(
    (await servicesView(shop())).map(({ namespace, name }) => `${namespace}/${name}`),
    ['testns/api', 'testns/out', 'testns/web', 'z/last'],
  )
})

t.test('an endpoint counts once, however many slices it is in, and only for ports it has', t => {
  const [http, dns] = oneService(shop(), 'testns/web')?.ports ?? []
  t.match(http, { name: 'http', port: 80, endpoints: 3, ready: 2 })
  t.match(dns, { name: 'dns', protocol: 'UDP', endpoints: 0, ready: 0 })
  t.end()
})

t.test('a port has the traffic of its service port', t => {
  const traffic = { connections: 3, packets: 20, bytes: 1_000 }
  const counted = new Map([['testns/web:http/TCP', traffic]])
  const web = oneService(shop(), 'testns/web') as ServiceView
  const [http, dns] = withTraffic(web, counted).ports
  t.strictSame(http?.traffic, traffic)
  t.equal(dns?.traffic, undefined)
  t.end()
})

t.test('what is outside is told: external addresses and names', async t => {
  const [api, out] = await servicesView(shop())
  t.match(api, { clusterIPs: ['10.96.0.1'], externalIPs: ['192.0.2.1'] })
  t.match(out, { type: 'ExternalName', externalName: 'example.com', ports: [] })
  t.equal(oneService(shop(), 'testns/none'), undefined)
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

t.test('a page of Services: filtered, ordered, cut', async t => {
  const traffic = { connections: 1, packets: 1, bytes: 1, bytesPerSecond: 9 }
  const counted = new Map([['z/last:http/TCP', traffic]])
  const page = async (query: string) => {
    const { services, ...counts } = servicePage(
      await servicesView(shop()),
      counted,
      new URLSearchParams(query),
    )
    return { ...counts, names: services.map(({ name }) => name) }
  }
  t.strictSame(await page(''), {
    total: 4,
    matching: 4,
    offset: 0,
    names: ['api', 'out', 'web', 'last'],
  })
  t.match(await page('filter=TestNS/w'), { total: 4, matching: 1, names: ['web'] })
  t.match(await page('filter=10.96.0.3'), { names: ['last'] })
  t.match(await page('filter=192.0.2.1'), { names: ['api'] }, 'external addresses too')
  t.match(await page('sort=traffic'), { names: ['last', 'api', 'out', 'web'] })
  t.match(await page('sort=ready'), { names: ['api', 'web', 'last', 'out'] })
  t.match(await page('offset=1&limit=2'), { matching: 4, offset: 1, names: ['out', 'web'] })
  t.match(await page('offset=-1&limit=x&sort=toString'), { offset: 0, names: { length: 4 } })
})

t.test('views are made once for all who ask at about the same time', async t => {
  const store = shop()
  const clock = new HeldClock()
  const cache = new ServiceCache(store, clock)
  const first = cache.all()
  t.equal(await cache.all(), await first)
  clock.advance(60_000)
  t.equal(await cache.all(), await first, 'nothing changed')
  store.delete('Service', 'z/last')
  t.equal((await cache.all()).length, 3)
  store.delete('Service', 'testns/web')
  t.equal((await cache.all()).length, 3, 'a second old at most')
  clock.advance(1_000)
  t.equal((await cache.all()).length, 2)
})
