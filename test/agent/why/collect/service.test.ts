import t from 'tap'
import { serviceAt, serviceWays } from '#agent/why/collect/service.ts'
import type { Surroundings } from '#agent/why/collect/surroundings.ts'
import { Store } from '#cluster/store.ts'
import { endpoint, service, servicePort, slice } from '../../../helper/cluster.ts'
import { ip, pod } from '../../../helper/why-facts.ts'

const web = service({
  type: 'LoadBalancer',
  ports: [
    servicePort({ name: 'http', nodePort: 30_080 }),
    servicePort({ name: 'dns', port: 53, protocol: 'UDP' }),
  ],
  externalIPs: ['198.51.100.7'],
  loadBalancerIngress: [{ ip: '203.0.113.9' }],
  selector: { app: 'web' },
})

function surroundings(isPodsKnown = true): Surroundings {
  const store = new Store()
  store.replaceAll('Service', [web])
  store.replaceAll('EndpointSlice', [
    slice({
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
      endpoints: [endpoint('10.244.1.2')],
    }),
  ])
  const labels = { app: 'web' }
  if (isPodsKnown) {
    store.replaceAll('Pod', [
      pod({ metadata: { name: 'a', namespace: 'default', labels } }),
      pod({ metadata: { name: 'b', namespace: 'other', labels } }),
      pod({ metadata: { name: 'c', namespace: 'default', labels: {} } }),
    ])
  }
  return { store, nodeName: 'node-1' } as unknown as Surroundings
}

const addresses = [
  ['10.96.0.10', 80, 'cluster-ip'],
  ['198.51.100.7', 80, 'external-ip'],
  ['203.0.113.9', undefined, 'load-balancer'],
  ['127.0.0.1', 30_080, 'node-port'],
  ['10.244.1.2', 8080, 'pod'],
] as const
for (const [address, port, by] of addresses) {
  t.test(`${address} is the ${by} of a Service`, async t => {
    t.match(serviceAt(ip(address), port, surroundings()), { key: 'default/web', by })
  })
}

t.test('an address of nobody', async t => {
  t.equal(serviceAt(ip('192.0.2.1'), 80, surroundings()), undefined)
  t.equal(serviceAt(ip('127.0.0.1'), 30_081, surroundings()), undefined)
  t.equal(serviceAt(ip('10.244.1.2'), 9090, surroundings()), undefined)
})

t.test('a way for each port, or for the one that is named', async t => {
  const ports = (port?: string | number) =>
    serviceWays({ key: 'default/web', port }, surroundings()).map(way => way.port?.name)
  t.strictSame(ports(), ['http', 'dns'])
  t.strictSame(ports('dns'), ['dns'])
  t.strictSame(ports(80), ['http'])
  t.strictSame(ports(81), [undefined])
})

t.test('a node port goes by its own number', async t => {
  const asked = {
    key: 'default/web',
    address: ip('127.0.0.1'),
    by: 'node-port',
    port: 30_080,
  } as const
  const [way] = serviceWays(asked, surroundings())
  t.match(way?.reached, { by: 'node-port', address: '127.0.0.1', port: 30_080, family: 4 })
})

t.test('pods are those that the selector matches, where pods are known', async t => {
  const podsOf = (known: boolean) =>
    serviceWays({ key: 'default/web' }, surroundings(known))[0].pods?.map(
      each => each.metadata.name,
    )
  t.strictSame(podsOf(true), ['a'])
  t.equal(podsOf(false), undefined)
})

t.test('no such Service', async t => {
  t.match(serviceWays({ key: 'default/wbe' }, surroundings()), [
    { key: 'default/wbe', service: undefined },
  ])
})
