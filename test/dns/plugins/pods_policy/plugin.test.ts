import t from 'tap'
import type { Pod } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { type Query, type Reply, reply } from '#dns/message.ts'
import type { LocalPods, SetupContext } from '#dns/plugin.ts'
import { podsPolicy } from '#dns/plugins/pods_policy/plugin.ts'
import { parseRecord } from '#dns/zonefile/record.ts'
import type { IpAddress } from '#net/ip.ts'
import { systemClock } from '#runtime/clock.ts'
import { queryFor } from '../../../helper/dns.ts'
import { FakeUpstream } from '../../../helper/fake-upstream.ts'
import { metricValue, replyAsText, testedPlugin } from '../../../helper/plugin.ts'
import { pod } from '../../../helper/zone-cluster.ts'

const directory = t.testdir({
  'resolv.conf': 'nameserver 127.0.0.1\nsearch corp.test\noptions ndots:2\n',
})
const upstream = await FakeUpstream.start(({ message, answer }) => {
  const name = message.question?.name ?? ''
  const isKnown = name === 'example.org.' || name === 'wiki.corp.test.'
  answer(isKnown ? { answers: [parseRecord(`${name} 60 A 203.0.113.1`)] } : { rcode: 'NXDOMAIN' })
})
t.teardown(() => upstream[Symbol.asyncDispose]())

const OPTIONS = `pods_policy {
  node node-a
  cluster_domain cluster.local
  cluster_dns 10.96.0.10
  resolv_conf resolv.conf
}`

/** The plugin over these Pods; what it looks up is answered by `known`, addresses by name. */
async function tested(
  pods: readonly Pod[],
  known: Readonly<Record<string, string | undefined>> = {},
  parts: Partial<SetupContext> = {},
) {
  const store = new Store()
  store.replaceAll('Pod', pods)
  const asked: string[] = []
  const chain = ({ question: { name, type } }: Query): Reply => {
    asked.push(`${type} ${name}`)
    if (!Object.hasOwn(known, name)) return reply({ rcode: 'NXDOMAIN' })
    const data = known[name]
    const isFamily = data !== undefined && data.includes(':') === (type === 'AAAA')
    return reply({ answers: isFamily ? [parseRecord(`${name} 7 ${type} ${data}`)] : [] })
  }
  const { plugin, context, ask } = await testedPlugin(
    podsPolicy({ clock: systemClock, port: upstream.port }),
    OPTIONS,
    { directory, cluster: { open: async () => store }, lookup: chain, ...parts },
  )
  t.teardown(() => plugin.stop?.())
  return { store, asked, context, ask: (query: Query) => ask(query, chain) }
}

const from = (address: string) => ({ client: { address: address as IpAddress, port: 1 } })
const local = (parts: Parameters<typeof pod>[0], dns: Partial<Pod> = {}): Pod => ({
  ...pod(parts),
  nodeName: 'node-a',
  ...dns,
})
const shop = local({ name: 'p', namespace: 'shop', ips: ['10.4.0.1'] })

t.test('ClusterFirst: an outside name is found in one round trip', async t => {
  const { ask, asked, context } = await tested([shop], { 'Example.org.': '192.0.2.1' })
  const name = 'Example.org.shop.svc.cluster.local.'
  t.strictSame(replyAsText(await ask(queryFor(name, 'A', from('10.4.0.1')))), {
    rcode: 'NOERROR',
    answers: [`${name} 7 CNAME Example.org.`, 'Example.org. 7 A 192.0.2.1'],
  })
  t.strictSame(asked, [
    `A ${name}`,
    'A Example.org.svc.cluster.local.',
    'A Example.org.cluster.local.',
    'A Example.org.corp.test.',
    'A Example.org.',
  ])
  t.equal(await metricValue(context, 'nodeplane_dns_pod_searches_total'), 1)
})

t.test('a name that the list has not made is asked alone', async t => {
  const { ask, asked } = await tested([shop])
  for (const name of ['example.org.', 'shop.svc.cluster.local.', 'x.bank.svc.cluster.local.']) {
    asked.length = 0
    await ask(queryFor(name, 'A', from('10.4.0.1')))
    t.strictSame(asked, [`A ${name}`])
  }
})

t.test('A and AAAA end at the same name', async t => {
  const { ask } = await tested([shop], { 'web.svc.cluster.local.': 'fd00::1', 'web.': '192.0.2.9' })
  const name = 'web.shop.svc.cluster.local.'
  t.strictSame(replyAsText(await ask(queryFor(name, 'A', from('10.4.0.1')))), { rcode: 'NOERROR' })
  t.strictSame(replyAsText(await ask(queryFor(name, 'AAAA', from('10.4.0.1')))), {
    rcode: 'NOERROR',
    answers: [`${name} 7 CNAME web.svc.cluster.local.`, 'web.svc.cluster.local. 7 AAAA fd00::1'],
  })
})

t.test('a name with as many dots as ndots was tried alone before', async t => {
  const own = local(
    { name: 'p', namespace: 'shop', ips: ['10.4.0.1'] },
    {
      dnsConfig: { nameservers: [], searches: [], options: [{ name: 'ndots', value: '1' }] },
    },
  )
  const { ask, asked } = await tested([own], { 'a.b.': '192.0.2.1' })
  const reply = await ask(queryFor('a.b.shop.svc.cluster.local.', 'A', from('10.4.0.1')))
  t.equal(reply?.rcode, 'NXDOMAIN')
  t.notOk(asked.includes('A a.b.'))
  t.ok(asked.includes('A a.b.corp.test.'))
})

t.test("Default: only the node's upstreams, by the node's search list", async t => {
  const pods = [local({ name: 'd', ips: ['10.4.0.2'] }, { dnsPolicy: 'Default' })]
  const { ask, asked } = await tested(pods, { 'web.shop.svc.cluster.local.': '10.96.0.20' })
  const answered = async (name: string) =>
    replyAsText(await ask(queryFor(name, 'A', from('10.4.0.2'))))
  t.strictSame(await answered('example.org.'), {
    rcode: 'NOERROR',
    answers: ['example.org. 60 A 203.0.113.1'],
  })
  t.strictSame(await answered('web.shop.svc.cluster.local.'), { rcode: 'NXDOMAIN' })
  t.strictSame(await answered('wiki.corp.test.'), {
    rcode: 'NOERROR',
    answers: ['wiki.corp.test. 60 A 203.0.113.1'],
  })
  t.strictSame(
    (await answered('example.org.corp.test.'))?.answers,
    ['example.org.corp.test. 60 CNAME example.org.', 'example.org. 60 A 203.0.113.1'],
    'one dot is less than the ndots:2 of the node',
  )
  t.strictSame(asked, [])
})

t.test("None: the pod's own nameservers, searches and options", async t => {
  const dnsConfig = { nameservers: ['127.0.0.1'], searches: ['lab.test'], options: [] }
  const pods = [local({ name: 'n', ips: ['10.4.0.3'] }, { dnsPolicy: 'None', dnsConfig })]
  const { ask, asked } = await tested(pods)
  t.strictSame(replyAsText(await ask(queryFor('example.org.lab.test.', 'A', from('10.4.0.3')))), {
    rcode: 'NXDOMAIN',
  })
  t.strictSame(replyAsText(await ask(queryFor('example.org.', 'A', from('10.4.0.3'))))?.answers, [
    'example.org. 60 A 203.0.113.1',
  ])
  t.strictSame(asked, [])
})

t.test('None with this service as its nameserver: the plugins answer', async t => {
  const dnsConfig = { nameservers: ['10.96.0.10'], searches: ['lab.test'], options: [] }
  const pods = [local({ name: 'n', ips: ['10.4.0.3'] }, { dnsPolicy: 'None', dnsConfig })]
  const { ask, asked } = await tested(pods, { 'x.': '192.0.2.1' })
  await ask(queryFor('x.lab.test.', 'A', from('10.4.0.3')))
  t.strictSame(asked, ['A x.lab.test.', 'A x.'])
})

const strangers: readonly [title: string, pod: Pod][] = [
  ['a pod on the host network', { ...shop, hostNetwork: true }],
  ["another node's pod", { ...shop, nodeName: 'node-b' }],
  ['a pod that is going', { ...shop, deleting: true }],
  ['a pod that has ended', { ...shop, phase: 'Succeeded' }],
]
for (const [title, stranger] of strangers) {
  t.test(`${title} is not known: its queries are plain ones`, async t => {
    const { ask, asked } = await tested([stranger])
    await ask(queryFor('x.shop.svc.cluster.local.', 'A', from('10.4.0.1')))
    t.strictSame(asked, ['A x.shop.svc.cluster.local.'])
  })
}

t.test('an address that went to another namespace has only its list', async t => {
  const { store, ask, asked } = await tested([shop])
  await ask(queryFor('x.shop.svc.cluster.local.', 'A', from('10.4.0.1')))
  t.ok(asked.includes('A x.svc.cluster.local.'), 'known as a pod of shop')
  // The new owner is there before the old one is gone: whose the address is cannot be told.
  store.set('Pod', local({ name: 'q', namespace: 'bank', ips: ['10.4.0.1'] }))
  for (const namespace of ['shop', 'bank']) {
    asked.length = 0
    await ask(queryFor(`x.${namespace}.svc.cluster.local.`, 'A', from('10.4.0.1')))
    t.strictSame(asked, [`A x.${namespace}.svc.cluster.local.`])
  }
  store.delete('Pod', 'shop/p')
  asked.length = 0
  await ask(queryFor('x.shop.svc.cluster.local.', 'A', from('10.4.0.1')))
  t.strictSame(asked, ['A x.shop.svc.cluster.local.'])
  await ask(queryFor('x.bank.svc.cluster.local.', 'A', from('10.4.0.1')))
  t.ok(asked.includes('A x.svc.cluster.local.'))
})

t.test('in the agent: its pods and its kubelet settings, without node', async t => {
  const localPods: LocalPods = {
    pods: { podAt: address => (address === '10.4.0.9' ? shop : undefined) },
    kubelet: {
      clusterDns: ['10.96.0.10' as IpAddress],
      clusterDomain: 'k8s.test',
      resolvConf: '',
    },
  }
  const asked: string[] = []
  const next = ({ question: { name } }: Query) => {
    asked.push(name)
    return reply({ rcode: 'NXDOMAIN' })
  }
  const { plugin, ask } = await testedPlugin(podsPolicy(), 'pods_policy', {
    lookup: next,
    cluster: { open: () => new Store(), localPods: async () => localPods },
  })
  t.teardown(() => plugin.stop?.())
  await ask(queryFor('x.shop.svc.k8s.test.', 'A', from('10.4.0.9')), next)
  t.strictSame(asked, ['x.shop.svc.k8s.test.', 'x.svc.k8s.test.', 'x.k8s.test.', 'x.'])
})

t.test('what the server looks up itself is not walked again', async t => {
  const { ask, asked } = await tested([shop])
  const query = queryFor('x.shop.svc.cluster.local.', 'A', { ...from('10.4.0.1'), lookups: 1 })
  await ask(query)
  t.strictSame(asked, ['A x.shop.svc.cluster.local.'])
})

for (const [text, message] of [
  ['pods_policy', /needs the name of this node/],
  ['pods_policy on', /takes no arguments/],
  ['pods_policy {\n node a\n cluster_dns x\n}', /needs addresses/],
  ['pods_policy {\n node a\n cluster_domain a..b\n}', /needs one domain/],
  ['pods_policy {\n node a\n nodes b\n}', /unknown option/],
  ['pods_policy {\n node a\n endpoint x\n}', /needs one URL/],
] as const) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, t =>
    t.rejects(testedPlugin(podsPolicy(), text, { directory }), { message }),
  )
}

t.test('the nameservers that Pods choose share one series', async t => {
  const own = local(
    { name: 'd', ips: ['10.4.0.2'] },
    {
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['127.0.0.1' as IpAddress], searches: [], options: [] },
    },
  )
  const { ask, context } = await tested([own])
  await ask(queryFor('example.org.', 'A', from('10.4.0.2')))
  const { values = [] } =
    (await context.metrics.getSingleMetric('coredns_proxy_request_duration_seconds')?.get()) ?? {}
  t.ok(values.length > 0)
  t.ok(values.every(({ labels }) => labels['to'] === 'nameservers of pods'))
})
