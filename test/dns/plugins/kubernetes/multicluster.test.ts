import t from 'tap'
import { IMPORT_NAME_LABEL, type ServiceImport, SOURCE_CLUSTER_LABEL } from '#cluster/objects.ts'
import type { Wanted } from '#cluster/source.ts'
import { Store } from '#cluster/store.ts'
import type { Reply } from '#dns/message.ts'
import type { Handler } from '#dns/plugin.ts'
import { kubernetesPlugin } from '#dns/plugins/kubernetes/plugin.ts'
import type { IpAddress } from '#net/ip.ts'
import { systemClock } from '#runtime/clock.ts'
import * as cluster from '../../../helper/cluster.ts'
import { directive, patience, queryFor, setupContext } from '../../../helper/dns.ts'
import { eventually } from '../../../helper/eventually.ts'
import { recordsAsText } from '../../../helper/records-as-text.ts'
import { endpoint, namespace, service } from '../../../helper/zone-cluster.ts'

const imported = (name: string, ips: readonly string[]): ServiceImport => ({
  kind: 'ServiceImport',
  metadata: { name, namespace: 'testns', labels: {} },
  type: ips.length === 0 ? 'Headless' : 'ClusterSetIP',
  ips,
  ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
})
const importedSlice = (of: string, address: string) =>
  cluster.slice({
    name: `${of}-b`,
    namespace: 'testns',
    labels: { [IMPORT_NAME_LABEL]: of, [SOURCE_CLUSTER_LABEL]: 'b' },
    ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    endpoints: [endpoint(address, { hostname: 'pet-0' })],
  })

const CONFIG =
  'kubernetes cluster.local clusterset.local in-addr.arpa\nmulticluster clusterset.local'

async function serve(text = CONFIG) {
  const store = new Store()
  store.replaceAll('Namespace', [namespace('testns')])
  store.replaceAll('Service', [
    service({ name: 'db', ips: ['10.0.0.1'] }),
    service({ name: 'both', ips: ['10.0.0.2'] }),
  ])
  store.replaceAll('ServiceImport', [
    imported('db', ['10.42.0.1']),
    imported('both', ['10.0.0.2']),
    imported('pets', []),
  ])
  store.replaceAll('EndpointSlice', [importedSlice('pets', '172.2.0.1')])
  let wanted: Wanted | undefined
  const localAddresses = () => ['10.1.1.1' as IpAddress]
  const plugin = await kubernetesPlugin({ clock: systemClock, localAddresses }).setup(
    [directive(text)],
    setupContext({
      cluster: {
        open: (_connection, asked) => {
          wanted = asked
          return store
        },
      },
    }),
  )
  t.teardown(() => plugin.stop?.())
  const handler = plugin.wrap?.(() => undefined) as Handler
  const ask = async (name: string, type = 'A') =>
    (await handler(queryFor(name, type), patience())) as Reply
  const records = async (name: string, type = 'A') => recordsAsText((await ask(name, type)).answers)
  return { ask, records, store, plugin, wanted }
}

t.test('a name has what its zone has: the cluster’s, or the set’s', async t => {
  const { records, ask, wanted } = await serve()
  t.strictSame(wanted?.ServiceImport, {})
  const [own, set] = ['db.testns.svc.cluster.local.', 'db.testns.svc.ClusterSet.local.']
  t.strictSame(await records(own), [`${own} 5 A 10.0.0.1`])
  t.strictSame(await records(set), [`${set} 5 A 10.42.0.1`])
  t.equal((await ask('pets.testns.svc.cluster.local.')).rcode, 'NXDOMAIN')
  t.match((await ask('nope.testns.svc.clusterset.local.')).authorities, [
    { name: 'clusterset.local.', type: 'SOA' },
  ])
})

t.test(
  'an address that is the cluster’s own has the cluster’s name, another one the set’s',
  async t => {
    const { records, ask } = await serve()
    for (const [reversed, target] of [
      ['1.0.42.10', 'db.testns.svc.clusterset.local.'],
      ['2.0.0.10', 'both.testns.svc.cluster.local.'],
      ['1.0.2.172', 'pet-0.b.pets.testns.svc.clusterset.local.'],
    ] as const) {
      const name = `${reversed}.in-addr.arpa.`
      t.strictSame(await records(name, 'PTR'), [`${name} 5 PTR ${target}`])
    }
    t.equal((await ask('9.9.9.9.in-addr.arpa.', 'PTR')).rcode, 'NXDOMAIN')
  },
)

t.test(
  'a change of what is imported is answered, and what was remembered is forgotten',
  async () => {
    const { ask, store } = await serve()
    for (const [name, change] of [
      ['db', () => store.set('ServiceImport', imported('db', ['10.42.0.9']))],
      ['pets', () => store.set('EndpointSlice', importedSlice('pets', '172.2.0.9'))],
      ['later', () => store.set('ServiceImport', imported('later', ['10.42.0.3']))],
    ] as const) {
      const full = `${name}.testns.svc.clusterset.local.`
      const before = await ask(full)
      const forgotten = new Promise<void>(resolve => before.remember?.untilChange?.(resolve))
      change()
      await forgotten
      await eventually('the new address', async () => {
        const { answers } = await ask(full)
        return answers.length === 1 && answers[0]?.data !== before.answers[0]?.data
      })
    }
  },
)

t.test('a Service of the cluster that changes leaves answers of the set alone', async t => {
  const { ask, store } = await serve()
  const { remember } = await ask('db.testns.svc.clusterset.local.')
  let isForgotten = false
  remember?.untilChange?.(() => {
    isForgotten = true
  })
  store.set('Service', service({ name: 'db', ips: ['10.0.0.9'] }))
  await eventually('the change', async () => {
    const { answers } = await ask('db.testns.svc.cluster.local.')
    return answers[0]?.data === '10.0.0.9'
  })
  t.notOk(isForgotten)
})

t.test('the zone of the set may be copied', async t => {
  const { plugin } = await serve()
  const zone = plugin.transfers?.zone('clusterset.local.')
  const text = recordsAsText([...(zone?.records ?? [])])
  t.ok(text.includes('db.testns.svc.clusterset.local. 5 A 10.42.0.1'))
  t.ok(text.includes('pet-0.b.pets.testns.svc.clusterset.local. 5 A 172.2.0.1'))
})

t.test('metadata tells the cluster of an endpoint', async t => {
  const { plugin } = await serve()
  const labels = new Map<string, () => string>()
  plugin.label?.(queryFor('pet-0.b.pets.testns.svc.clusterset.local.'), labels)
  t.equal(labels.get('kubernetes/cluster')?.(), 'b')
  t.equal(labels.get('kubernetes/endpoint')?.(), 'pet-0')
})

t.test('with noendpoints headless imports have no names', async t => {
  const { ask, records } = await serve(`${CONFIG}\nnoendpoints`)
  t.equal((await records('db.testns.svc.clusterset.local.')).length, 1)
  t.equal((await ask('pets.testns.svc.clusterset.local.')).rcode, 'NXDOMAIN')
})
