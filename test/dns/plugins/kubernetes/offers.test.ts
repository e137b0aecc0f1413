import t from 'tap'
import { Store } from '#cluster/store.ts'
import { kubernetesPlugin } from '#dns/plugins/kubernetes/plugin.ts'
import type { IpAddress } from '#net/ip.ts'
import { directive, queryFor, setupContext } from '../../../helper/dns.ts'
import { eventually } from '../../../helper/eventually.ts'
import { HeldClock } from '../../../helper/held-clock.ts'
import { recordsAsText } from '../../../helper/records-as-text.ts'
import { endpoint, namespace, pod, service, slice } from '../../../helper/zone-cluster.ts'

/** What the plugin offers to other plugins, over a small cluster. */
async function serve(text: string, { synced = true } = {}) {
  const store = new Store()
  for (const object of [
    namespace('testns'),
    service({ name: 'svc1', ips: ['10.0.0.1'] }),
    slice({ of: 'svc1', endpoints: [endpoint('172.0.0.1')] }),
    service({ name: 'ext', externalName: 'example.org' }),
  ]) {
    store.set(object.kind, object)
  }
  if (synced) {
    for (const kind of ['Service', 'EndpointSlice', 'Namespace', 'Pod'] as const) {
      store.replaceAll(kind, [...store.list(kind)])
    }
  }
  const definition = kubernetesPlugin({
    clock: new HeldClock(),
    localAddresses: () => ['10.1.1.1' as IpAddress],
  })
  const context = setupContext({ cluster: { open: () => store } })
  const plugin = await definition.setup([directive(text)], context)
  t.teardown(() => plugin.stop?.())
  return { plugin, store }
}

t.test('the zone may be copied, every record once, when the cluster was listed', async t => {
  const { plugin } = await serve('kubernetes cluster.local in-addr.arpa')
  t.strictSame(plugin.transfers?.zones(), ['cluster.local.'])
  const zone = plugin.transfers?.zone('cluster.local.')
  t.match(zone?.soa, { name: 'cluster.local.', type: 'SOA' })
  t.strictSame(recordsAsText([...(zone?.records ?? [])]), [
    'cluster.local. 5 NS ns.dns.cluster.local.',
    'ns.dns.cluster.local. 5 A 10.1.1.1',
    'svc1.testns.svc.cluster.local. 5 A 10.0.0.1',
    'svc1.testns.svc.cluster.local. 5 SRV 0 100 80 svc1.testns.svc.cluster.local.',
    '_http._tcp.svc1.testns.svc.cluster.local. 5 SRV 0 100 80 svc1.testns.svc.cluster.local.',
    'ext.testns.svc.cluster.local. 5 CNAME example.org.',
  ])
  const { plugin: early } = await serve('kubernetes cluster.local\nstartup_timeout 0s', {
    synced: false,
  })
  t.equal(early.transfers?.zone('cluster.local.'), undefined)
})

t.test('labels for metadata', async t => {
  const { plugin } = await serve('kubernetes cluster.local')
  const labels = new Map<string, () => string>()
  plugin.label?.(queryFor('_http._tcp.svc1.testns.svc.cluster.local.', 'SRV'), labels)
  const values = Object.fromEntries(
    [...labels].map(([label, value]) => [label.slice('kubernetes/'.length), value()]),
  )
  t.match(values, {
    kind: 'svc',
    namespace: 'testns',
    service: 'svc1',
    'port-name': 'http',
    protocol: 'tcp',
    zone: 'cluster.local.',
    endpoint: '',
  })
})

t.test('with verified pods the labels name the Pod that asks, and its own labels', async t => {
  const { plugin, store } = await serve('kubernetes cluster.local\npods verified')
  const client = pod({ name: 'p1', ips: ['10.4.0.1'] })
  store.set('Pod', { ...client, metadata: { ...client.metadata, labels: { app: 'shop' } } })
  const asked = (address: string) => {
    const labels = new Map<string, () => string>()
    const from = { client: { address: address as IpAddress, port: 1 } }
    plugin.label?.(queryFor('x.y.z.cluster.local.', 'A', from), labels)
    return (label: string) => labels.get(`kubernetes/${label}`)?.()
  }
  await eventually('the Pod', () => asked('10.4.0.1')('client-pod-name') === 'p1')
  t.equal(asked('10.4.0.1')('client-namespace'), 'testns')
  t.equal(asked('10.4.0.1')('client-label/app'), 'shop')
  t.equal(asked('10.4.0.2')('client-label/app'), undefined)
  t.equal(asked('10.4.0.2')('parse-error'), 'invalid query name')
})
