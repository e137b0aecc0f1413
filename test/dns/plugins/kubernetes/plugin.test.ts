import t from 'tap'
import type { ClusterObject } from '#cluster/objects.ts'
import type { Wanted } from '#cluster/source.ts'
import { Store } from '#cluster/store.ts'
import { type Query, type Reply, reply } from '#dns/message.ts'
import type { Handler, SetupContext } from '#dns/plugin.ts'
import { cachePlugin } from '#dns/plugins/cache/plugin.ts'
import { kubernetesPlugin } from '#dns/plugins/kubernetes/plugin.ts'
import type { IpAddress } from '#net/ip.ts'
import { directive, patience, queryFor, setupContext } from '../../../helper/dns.ts'
import { eventually } from '../../../helper/eventually.ts'
import { HeldClock } from '../../../helper/held-clock.ts'
import { testedPlugin } from '../../../helper/plugin.ts'
import { recordsAsText } from '../../../helper/records-as-text.ts'
import { endpoint, namespace, pod, service, slice } from '../../../helper/zone-cluster.ts'

const kinds = ['Service', 'EndpointSlice', 'Namespace', 'Pod'] as const
const objects: readonly ClusterObject[] = [
  namespace('testns'),
  service({ name: 'svc1', ips: ['10.0.0.1'] }),
  slice({ of: 'svc1', endpoints: [endpoint('172.0.0.1')] }),
  service({ name: 'ext', externalName: 'example.org' }),
]

function storeOf(contents: readonly ClusterObject[], synced = true): Store {
  const store = new Store()
  for (const object of contents) store.set(object.kind, object)
  if (synced) for (const kind of kinds) store.replaceAll(kind, [...store.list(kind)])
  return store
}

/** Sets the plugin up over a store; `next` says who answers what it passes on. */
async function serve(
  text: string,
  { store = storeOf(objects), ...context }: Partial<SetupContext> & { store?: Store } = {},
) {
  const clock = new HeldClock()
  let asked: Wanted | undefined
  const definition = kubernetesPlugin({ clock, localAddresses: () => ['10.1.1.1' as IpAddress] })
  const plugin = await definition.setup(
    [directive(text)],
    setupContext({
      ...context,
      cluster: {
        open: (_connection, wanted) => {
          asked = wanted
          return store
        },
      },
    }),
  )
  t.teardown(() => plugin.stop?.())
  const handler = plugin.wrap?.(() => reply({ rcode: 'NEXT' })) as Handler
  const ask = (name: string, type = 'A', parts: Partial<Query> = {}) =>
    handler(queryFor(name, type, parts), patience()) as Promise<Reply>
  return { ask, plugin, store, clock, wanted: () => asked }
}

const SOA =
  'cluster.local. 30 SOA ns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 30'

t.test('an answer is authoritative, a denial has the SOA', async t => {
  const { ask } = await serve('kubernetes cluster.local\nttl 30')
  const found = await ask('svc1.testns.svc.cluster.local.')
  t.match(found, { rcode: 'NOERROR', authoritative: true, authorities: [] })
  t.strictSame(recordsAsText(found.answers), ['svc1.testns.svc.cluster.local. 30 A 10.0.0.1'])
  for (const [name, type, rcode] of [
    ['svc1.testns.svc.cluster.local.', 'AAAA', 'NOERROR'],
    ['nope.testns.svc.cluster.local.', 'A', 'NXDOMAIN'],
  ] as const) {
    const denied = await ask(name, type)
    t.match(denied, { rcode, authoritative: true, answers: [] })
    t.strictSame(recordsAsText(denied.authorities), [SOA], name)
  }
  const mixed = await ask('nope.testns.svc.Cluster.Local.')
  t.equal(mixed.authorities[0]?.name, 'Cluster.Local.', 'the zone in the case of the question')
  t.match(await ask('cluster.local.', 'AXFR'), { rcode: 'REFUSED', authoritative: false })
})

t.test('what is not in its zones or not of the Internet class goes on', async t => {
  const { ask } = await serve('kubernetes cluster.local')
  t.equal((await ask('example.org.')).rcode, 'NEXT')
  t.equal((await ask('10.in-addr.arpa.', 'PTR')).rcode, 'NEXT')
  const chaos = { question: { name: 'x.cluster.local.', type: 'TXT', class: 'CH' } }
  t.equal((await ask('', '', chaos)).rcode, 'NEXT')
})

t.test('fallthrough passes names on that do not exist, in the zones it names', async t => {
  const zones = 'kubernetes cluster.local in-addr.arpa'
  for (const [option, name, type, rcode] of [
    ['fallthrough', 'nope.testns.svc.cluster.local.', 'A', 'NEXT'],
    ['fallthrough', 'svc1.testns.svc.cluster.local.', 'AAAA', 'NOERROR'],
    ['fallthrough in-addr.arpa', 'nope.testns.svc.cluster.local.', 'A', 'NXDOMAIN'],
    ['fallthrough in-addr.arpa', '9.9.9.9.in-addr.arpa.', 'PTR', 'NEXT'],
    ['fallthrough in-addr.arpa', '1.0.0.10.in-addr.arpa.', 'PTR', 'NOERROR'],
    ['ttl 5', '9.9.9.9.in-addr.arpa.', 'PTR', 'NXDOMAIN'],
  ] as const) {
    const { ask } = await serve(`${zones}\n${option}`)
    t.equal((await ask(name, type)).rcode, rcode, `${option}: ${type} ${name}`)
  }
})

t.test('before the first sync nothing is denied', async t => {
  const { ask, plugin, store } = await serve('kubernetes cluster.local\nstartup_timeout 0s', {
    store: storeOf(objects, false),
  })
  t.equal(plugin.isReady?.(), false)
  const unknown = await ask('nope.testns.svc.cluster.local.')
  t.match(unknown, { rcode: 'SERVFAIL', authoritative: true, authorities: [{ type: 'SOA' }] })
  await eventually('what is known', async () => {
    return (await ask('svc1.testns.svc.cluster.local.')).answers.length === 1
  })
  t.equal((await ask('svc1.testns.svc.cluster.local.', 'AAAA')).rcode, 'NOERROR', 'NODATA stays')
  t.equal((await ask('dns-version.cluster.local.', 'TXT')).answers.length, 1, 'the version too')
  t.equal((await ask('cluster.local.', 'SOA')).answers.length, 1, 'the apex too')
  for (const kind of kinds) store.replaceAll(kind, [...store.list(kind)])
  await eventually('the first sync', () => plugin.isReady?.())
  t.equal((await ask('nope.testns.svc.cluster.local.')).rcode, 'NXDOMAIN')
})

t.test('over objects of an earlier time no name is denied, and nobody keeps that', async t => {
  let stale = true
  const store = Object.assign(storeOf(objects), { isStale: () => stale })
  const { ask, plugin } = await serve('kubernetes cluster.local\nttl 30', { store })
  t.equal(plugin.isReady?.(), true)
  const known = await ask('svc1.testns.svc.cluster.local.')
  t.equal(known.answers.length, 1)
  t.ok(known.remember, 'what is known is given again as ever')
  t.equal((await ask('svc1.testns.svc.cluster.local.', 'AAAA')).rcode, 'NOERROR', 'NODATA stays')
  const name = 'nope.testns.svc.cluster.local.'
  const unknown = await ask(name)
  t.match(unknown, { rcode: 'SERVFAIL', isTransient: true, authorities: [{ type: 'SOA' }] })
  // RFC 8914 section 5.2: option 15, code 14 (Not Ready).
  t.match(unknown.ednsOptions, [{ code: 15 }])
  t.equal(Buffer.from(unknown.ednsOptions[0]?.data ?? []).readUInt16BE(), 14)
  t.equal(unknown.remember, undefined, 'not by the fast path')
  const cached = await testedPlugin(cachePlugin(), 'cache 30')
  let asked = 0
  const behind = () => {
    asked++
    return ask(name)
  }
  await cached.ask(queryFor(name), behind)
  await cached.ask(queryFor(name), behind)
  t.equal(asked, 2, 'not by cache')
  stale = false
  t.equal((await cached.ask(queryFor(name), behind))?.rcode, 'NXDOMAIN')
})

t.test('over objects of an earlier time a name error may fall through', async t => {
  const store = Object.assign(storeOf(objects), { isStale: () => true })
  const { ask } = await serve('kubernetes cluster.local\nfallthrough', { store })
  t.equal((await ask('nope.testns.svc.cluster.local.')).rcode, 'NEXT')
})

t.test('before the first sync a name error may fall through', async t => {
  const { ask } = await serve('kubernetes cluster.local\nstartup_timeout 0s\nfallthrough', {
    store: storeOf([], false),
  })
  t.equal((await ask('nope.testns.svc.cluster.local.')).rcode, 'NEXT')
})

t.test('setting up waits for the first sync up to startup_timeout', async t => {
  const clock = new HeldClock()
  const store = storeOf([], false)
  const definition = kubernetesPlugin({ clock, localAddresses: () => [] })
  const context = setupContext({ cluster: { open: () => store } })
  let isUp = false
  const setUp = (async () => {
    const plugin = await definition.setup([directive('kubernetes cluster.local')], context)
    isUp = true
    return plugin
  })()
  for (let waitedMs = 0; waitedMs < 5000; waitedMs += 500) {
    await eventually('the wait', () => clock.sleepers > 0)
    t.notOk(isUp, `${waitedMs} ms`)
    clock.advance(500)
  }
  const plugin = await setUp
  t.equal(plugin.isReady?.(), false)
  await plugin.stop?.()
})

t.test('a change is answered as soon as the feed has it', async () => {
  const { ask, store } = await serve('kubernetes cluster.local')
  store.set('Service', service({ name: 'svc2', ips: ['10.0.0.2'] }))
  await eventually('the new name', async () => {
    const { answers } = await ask('svc2.testns.svc.cluster.local.')
    return answers.length === 1
  })
  store.delete('Service', 'testns/svc2')
  await eventually('the end of the name', async () => {
    return (await ask('svc2.testns.svc.cluster.local.')).rcode === 'NXDOMAIN'
  })
})

t.test('a denial is forgotten when its name comes to be, never before it is answered', async t => {
  const { ask, store } = await serve('kubernetes cluster.local')
  const name = 'svc2.testns.svc.cluster.local.'
  const denied = await ask(name)
  t.equal(denied.rcode, 'NXDOMAIN')
  const forgotten = new Promise<void>(resolve => denied.remember?.untilChange?.(resolve))
  store.set('Service', service({ name: 'svc2', ips: ['10.0.0.2'] }))
  // Whatever remembered the denial, a cache or the fast path, is told; who asks then gets the address.
  await forgotten
  t.strictSame(recordsAsText((await ask(name)).answers), [`${name} 5 A 10.0.0.2`])
})

t.test('an ExternalName’s target is looked up through the server', async t => {
  const target = {
    name: 'example.org.',
    type: 'A',
    class: 'IN',
    ttl: 77,
    data: '192.0.2.1' as IpAddress,
  } as const
  const cases: readonly [fact: string, lookup: Handler, want: object][] = [
    [
      'found: its records follow the alias',
      () => reply({ answers: [target], authoritative: false }),
      { rcode: 'NOERROR', authoritative: true, answers: [{ type: 'CNAME' }, target] },
    ],
    [
      'an error: the alias alone',
      () => reply({ rcode: 'NXDOMAIN' }),
      { rcode: 'NOERROR', answers: [{ type: 'CNAME' }] },
    ],
    [
      'a failure: the alias alone',
      () => Promise.reject(new Error('no upstream')),
      { rcode: 'NOERROR', answers: [{ type: 'CNAME' }] },
    ],
    [
      'truncation is passed on',
      () => reply({ answers: [target], truncated: true }),
      { truncated: true },
    ],
  ]
  for (const [fact, lookup, want] of cases) {
    const { ask } = await serve('kubernetes cluster.local', { lookup })
    t.match(await ask('ext.testns.svc.cluster.local.'), want, fact)
  }
  const dropped = await serve('kubernetes cluster.local', { lookup: () => undefined })
  const nothing = await dropped.ask('ext.testns.svc.cluster.local.')
  t.equal(nothing.answers.length, 0, 'dropped: no data')
  t.equal(nothing.authorities.length, 1)
})

t.test('look-ups that lead back here come to an end', async t => {
  let count = 0
  const { ask } = await serve('kubernetes cluster.local', {
    lookup: ({ lookups }) => {
      count++
      return ask('ext.testns.svc.cluster.local.', 'A', { lookups: lookups ?? 0 })
    },
  })
  await ask('ext.testns.svc.cluster.local.')
  t.equal(count, 8)
})

t.test('only the kinds in use are asked for', async t => {
  for (const [options, wanted] of [
    ['', { Service: {}, Namespace: {}, EndpointSlice: {} }],
    ['\nnoendpoints', { Service: {}, Namespace: {} }],
    [
      '\npods verified',
      {
        Service: {},
        Namespace: {},
        EndpointSlice: {},
        Pod: {
          fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown',
        },
      },
    ],
    [
      '\nlabels app=web',
      {
        Service: { labelSelector: 'app=web' },
        Namespace: {},
        EndpointSlice: { labelSelector: 'app=web' },
      },
    ],
  ] as const) {
    const got = (await serve(`kubernetes cluster.local${options}`)).wanted()
    t.match(got, wanted)
    t.strictSame(Object.keys(got ?? {}).toSorted(), Object.keys(wanted).toSorted())
  }
})

t.test('namespace_labels hides namespaces', async t => {
  const store = storeOf([
    ...objects,
    namespace('b', { team: 'b' }),
    service({ name: 'x', namespace: 'b', ips: ['10.0.0.9'] }),
  ])
  const { ask } = await serve('kubernetes cluster.local\nnamespace_labels team=b', { store })
  t.equal((await ask('x.b.svc.cluster.local.')).answers.length, 1)
  t.equal((await ask('svc1.testns.svc.cluster.local.')).rcode, 'NXDOMAIN')
})

t.test('pods verified asks for the Pod', async t => {
  const store = storeOf([...objects, pod({ name: 'p', ips: ['10.9.0.1'] })])
  const { ask } = await serve('kubernetes cluster.local\npods verified', { store })
  t.equal((await ask('10-9-0-1.testns.pod.cluster.local.')).answers.length, 1)
  store.set('Pod', pod({ name: 'p', ips: ['10.9.0.1'], phase: 'Failed' }))
  await eventually('the end of the Pod', async () => {
    return (await ask('10-9-0-1.testns.pod.cluster.local.')).rcode === 'NXDOMAIN'
  })
})

t.test('the programming duration of headless Services with selector is measured', async t => {
  const context = setupContext()
  const store = storeOf([
    namespace('testns'),
    service({ name: 'hdls', ips: ['None'], selector: { app: 'x' } }),
    service({ name: 'manual', ips: ['None'] }),
  ])
  const { clock } = await serve('kubernetes cluster.local', { store, metrics: context.metrics })
  for (const name of ['hdls', 'manual']) {
    const lastChangeTriggerTimeMs = clock.now() - 3000
    const endpoints = [endpoint('172.0.0.1')]
    store.set('EndpointSlice', slice({ of: name, endpoints, lastChangeTriggerTimeMs }))
  }
  const text = await eventually('the metric', async () => {
    const metrics = await context.metrics.metrics()
    return metrics.includes('_sum') && metrics
  })
  const name = 'coredns_kubernetes_dns_programming_duration_seconds'
  t.match(text, `${name}_sum{service_kind="headless_with_selector"} 3\n`)
  t.match(text, `${name}_count{service_kind="headless_with_selector"} 1\n`)
})
