import { pino } from 'pino'
import t from 'tap'
import type { Service } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { unhonoured, warnOfServices } from '../../src/proxy/service-warnings.ts'
import { endpoint, service, slice } from '../helper/cluster.ts'
import { eventually } from '../helper/eventually.ts'

const odd = { externalIPs: ['x'] } as const

const cases: readonly { title: string; fields: Partial<Service>; want: readonly RegExp[] }[] = [
  {
    title: 'a Service that asks for all that is honoured',
    fields: {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 32100,
      affinityTimeoutSeconds: 60,
      externalIPs: ['192.0.2.1', '', 'fd00::1'],
      loadBalancerSourceRanges: [' 10.0.0.0/8 ', 'fd00::/8'],
    },
    want: [],
  },
  {
    title: 'texts without meaning',
    fields: { externalIPs: ['x'], loadBalancerSourceRanges: ['10.0.0.0'] },
    want: [/^externalIPs .*"x"/, /^loadBalancerSourceRanges .*"10.0.0.0"/],
  },
  {
    title: 'a load balancer under policy Local without healthCheckNodePort',
    fields: { type: 'LoadBalancer', externalTrafficPolicy: 'Local' },
    want: [/^healthCheckNodePort is not set: /],
  },
  { title: 'one under policy Cluster needs none', fields: { type: 'LoadBalancer' }, want: [] },
  {
    title: 'nor does a node port under policy Local',
    fields: { type: 'NodePort', externalTrafficPolicy: 'Local' },
    want: [],
  },
  { title: 'a headless Service', fields: { ...odd, clusterIP: 'None' }, want: [] },
]
for (const { title, fields, want } of cases) {
  t.test(title, async t => {
    const problems = unhonoured(service(fields))
    t.equal(problems.length, want.length)
    for (const [index, pattern] of want.entries()) t.match(problems[index], pattern)
  })
}

t.test('a slice of names is told once, one that is nobody’s never', async t => {
  const lines: { slice?: string; problems?: readonly string[] }[] = []
  const log = pino({}, { write: line => void lines.push(JSON.parse(line) as never) })
  const store = new Store()
  const stop = new AbortController()
  const ended = warnOfServices({ store, log }, stop.signal)
  const names = (name: string, address: string, labels?: Record<string, string>) =>
    store.set(
      'EndpointSlice',
      slice({
        name,
        addressType: 'FQDN',
        endpoints: [endpoint(address)],
        ...(labels && { labels }),
      }),
    )
  names('nobodys', 'a.example.org', {})
  store.set('EndpointSlice', slice({ name: 'addresses', endpoints: [endpoint('10.0.0.1')] }))
  names('web-fqdn', 'a.example.org')
  await eventually('a warning', () => lines.length > 0)
  names('web-fqdn', 'b.example.org')
  // A Service of the same name is something else.
  store.set('Service', service({ name: 'web-fqdn', ...odd }))
  await eventually('another', () => lines.length > 1)
  t.strictSame(
    lines.map(({ slice }) => slice),
    ['default/web-fqdn', undefined],
  )
  t.match(lines[0]?.problems, [/^addressType FQDN: /])
  stop.abort()
  await ended
})

t.test('each Service is warned of once, and no more than a hundred', async t => {
  const lines: { service?: string; msg: string }[] = []
  const log = pino({}, { write: line => void lines.push(JSON.parse(line) as never) })
  const store = new Store()
  const stop = new AbortController()
  const ended = warnOfServices({ store, log }, stop.signal)
  store.set('Service', service({ name: 'a', ...odd }))
  await eventually('a warning', () => lines.length === 1)
  store.set('Service', service({ name: 'a', ...odd, externalIPs: ['y'] }))
  for (let index = 0; index < 200; index++) {
    store.set('Service', service({ name: `b${index}`, ...odd }))
  }
  await ended
  t.equal(lines.filter(({ service }) => service === 'default/a').length, 1)
  t.equal(lines.length, 101)
  t.match(lines.at(-1)?.msg, /no more/)
})

t.test('it ends with the proxy', async t => {
  const stop = new AbortController()
  const log = pino({ level: 'silent' })
  const ended = warnOfServices({ store: new Store(), log }, stop.signal)
  stop.abort()
  await t.resolves(ended)
})
