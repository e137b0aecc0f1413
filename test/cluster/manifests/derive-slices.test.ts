import fc from 'fast-check'
import t from 'tap'
import { objectFromApi } from '#cluster/from-api.ts'
import { deriveSlices } from '#cluster/manifests/derive-slices.ts'
import type { EndpointSlice, Pod, Service } from '#cluster/objects.ts'
import { compileWanted } from '#cluster/selection.ts'

const service = (spec: object = {}, metadata: object = {}): Service =>
  objectFromApi('Service', {
    metadata: { name: 'web', namespace: 'shop', ...metadata },
    spec: { clusterIP: '10.96.0.1', selector: { app: 'web' }, ports: [{ port: 80 }], ...spec },
  })

type PodParts = { name?: string; ips?: string[]; ready?: boolean; spec?: object; status?: object }
const pod = ({
  name = 'web-0',
  ips = ['10.1.0.1'],
  ready = true,
  spec,
  status,
}: PodParts = {}): Pod =>
  objectFromApi('Pod', {
    metadata: { name, namespace: 'shop', labels: { app: 'web' } },
    spec: { nodeName: 'n1', ...spec },
    status: {
      phase: 'Running',
      podIPs: ips.map(ip => ({ ip })),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      ...status,
    },
  })

type Options = { labelSelector?: string; labels?: Record<string, string> }
function derive(of: Service, pods: readonly Pod[], { labelSelector, labels }: Options = {}) {
  const filter = compileWanted({ EndpointSlice: { labelSelector } }).EndpointSlice
  if (filter === undefined) throw new Error('no filter')
  const zoneOf = (node: string) => (node === 'n1' ? 'zone-a' : undefined)
  return deriveSlices({ service: of, labels, pods, zoneOf, filter })
}

/** `family port,port: address state, …` of each slice. */
const shown = (slices: readonly EndpointSlice[]) =>
  slices.map(({ addressType, ports, endpoints }) => {
    const numbers = ports.map(({ name, port }) => `${name}=${port}`)
    return `${addressType} ${numbers.join()}: ${endpoints.flatMap(({ addresses }) => addresses).join()}`
  })

t.test('an endpoint says all that the controller says of a Pod', async t => {
  const [slice, ...more] = derive(
    service({ ports: [{ name: 'http', port: 80, targetPort: 8080 }] }),
    [pod({ spec: { hostname: 'zero', subdomain: 'web' } })],
  )
  t.strictSame(more, [])
  t.strictSame(
    { ...slice, metadata: { ...slice?.metadata, name: '' } },
    {
      kind: 'EndpointSlice',
      metadata: { name: '', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
      endpoints: [
        {
          addresses: ['10.1.0.1'],
          conditions: { ready: true, serving: true, terminating: false },
          hostname: 'zero',
          nodeName: 'n1',
          podName: 'web-0',
          zone: 'zone-a',
          zoneHints: undefined,
          nodeHints: undefined,
        },
      ],
      lastChangeTriggerTimeMs: undefined,
    },
  )
})

const deleting = (of: Pod): Pod => ({ ...of, deleting: true })
const states: readonly { title: string; of: Pod; spec?: object; want: readonly boolean[] }[] = [
  { title: 'ready', of: pod(), want: [true, true, false] },
  { title: 'not ready', of: pod({ ready: false }), want: [false, false, false] },
  { title: 'deleting', of: deleting(pod()), want: [false, true, true] },
  { title: 'deleting, not ready', of: deleting(pod({ ready: false })), want: [false, false, true] },
  {
    title: 'not ready, published all the same',
    of: pod({ ready: false }),
    spec: { publishNotReadyAddresses: true },
    want: [true, false, false],
  },
  {
    title: 'deleting, published all the same',
    of: deleting(pod()),
    spec: { publishNotReadyAddresses: true },
    want: [true, true, true],
  },
]
for (const { title, of, spec, want } of states) {
  t.test(`ready, serving, terminating of a Pod that is ${title}`, async t => {
    const conditions = derive(service(spec), [of])[0]?.endpoints[0]?.conditions
    t.strictSame([conditions?.ready, conditions?.serving, conditions?.terminating], want)
  })
}

t.test(
  'no endpoint: Pods that ended, Pods without address, addresses of another family',
  async t => {
    const pods = [
      pod({ name: 'a', status: { phase: 'Succeeded' } }),
      pod({ name: 'b', status: { phase: 'Failed' } }),
      pod({ name: 'c', ips: [] }),
      pod({ name: 'd', ips: ['fd00::1'] }),
    ]
    t.strictSame(shown(derive(service(), pods)), ['IPv4 : '])
  },
)

t.test('a Pod that is pending but has an address is an endpoint, and not ready', async t => {
  const [slice] = derive(service(), [pod({ ready: false, status: { phase: 'Pending' } })])
  t.equal(slice?.endpoints[0]?.conditions.ready, false)
})

const hostnames: readonly { title: string; spec: object; want: string | undefined }[] = [
  { title: 'hostname and this subdomain', spec: { hostname: 'a', subdomain: 'web' }, want: 'a' },
  { title: 'no hostname', spec: { subdomain: 'web' }, want: undefined },
  { title: 'no subdomain', spec: { hostname: 'a' }, want: undefined },
  {
    title: 'the subdomain of another Service',
    spec: { hostname: 'a', subdomain: 'db' },
    want: undefined,
  },
]
for (const { title, spec, want } of hostnames) {
  t.test(`hostname of a Pod with ${title}`, async t => {
    t.equal(derive(service(), [pod({ spec })])[0]?.endpoints[0]?.hostname, want)
  })
}

const named = (name: string, containerPort: number, protocol = 'TCP') => ({
  containers: [{ ports: [{ name, containerPort, protocol }] }],
})
t.test(
  'named ports are resolved Pod by Pod; Pods with other numbers are in other slices',
  async t => {
    const ports = [
      { name: 'http', port: 80, targetPort: 'web' },
      { name: 'raw', port: 9000 },
    ]
    const pods = [
      pod({ name: 'a', ips: ['10.1.0.1'], spec: named('web', 8080) }),
      pod({ name: 'b', ips: ['10.1.0.2'], spec: named('web', 8081) }),
      pod({ name: 'c', ips: ['10.1.0.3'], spec: named('web', 8080) }),
      pod({ name: 'd', ips: ['10.1.0.4'], spec: named('other', 8080) }),
      pod({ name: 'e', ips: ['10.1.0.5'], spec: named('web', 8080, 'UDP') }),
    ]
    t.strictSame(shown(derive(service({ ports }), pods)), [
      'IPv4 http=8080,raw=9000: 10.1.0.1,10.1.0.3',
      'IPv4 http=8081,raw=9000: 10.1.0.2',
      'IPv4 raw=9000: 10.1.0.4,10.1.0.5',
    ])
  },
)

const dual = pod({ ips: ['10.1.0.1', 'fd00::1'] })
const families: readonly { title: string; spec: object; pods: readonly Pod[]; want: string[] }[] = [
  {
    title: 'both of ipFamilies',
    spec: { ipFamilies: ['IPv6', 'IPv4'] },
    pods: [dual],
    want: ['IPv6 =80: fd00::1', 'IPv4 =80: 10.1.0.1'],
  },
  {
    title: 'one of ipFamilies',
    spec: { ipFamilies: ['IPv6'] },
    pods: [dual],
    want: ['IPv6 =80: fd00::1'],
  },
  { title: "the clusterIP's", spec: {}, pods: [dual], want: ['IPv4 =80: 10.1.0.1'] },
  {
    title: "the clusterIPs'",
    spec: { clusterIPs: ['10.96.0.1', 'fd00:96::1'] },
    pods: [dual],
    want: ['IPv4 =80: 10.1.0.1', 'IPv6 =80: fd00::1'],
  },
  {
    title: "headless: the Pods'",
    spec: { clusterIP: 'None' },
    pods: [dual],
    want: ['IPv4 =80: 10.1.0.1', 'IPv6 =80: fd00::1'],
  },
  {
    title: 'headless without Pods: IPv4',
    spec: { clusterIP: 'None' },
    pods: [],
    want: ['IPv4 : '],
  },
  {
    title: 'an empty slice for a family without endpoints',
    spec: { ipFamilies: ['IPv4', 'IPv6'] },
    pods: [pod()],
    want: ['IPv4 =80: 10.1.0.1', 'IPv6 : '],
  },
  {
    title: 'headless without ports: no ports',
    spec: { clusterIP: 'None', ports: [] },
    pods: [pod()],
    want: ['IPv4 : 10.1.0.1'],
  },
]
for (const { title, spec, pods, want } of families) {
  t.test(`families: ${title}`, async t => t.strictSame(shown(derive(service(spec), pods)), want))
}

t.test("selectors see the Service's labels and those that the controller sets", async t => {
  const labels = { env: 'prod' }
  t.equal(derive(service(), [], { labels, labelSelector: 'env=prod' }).length, 1)
  t.equal(
    derive(service(), [], { labels, labelSelector: '!service.kubernetes.io/headless' }).length,
    1,
  )
  const headless = service({ clusterIP: 'None' })
  t.equal(derive(headless, [], { labelSelector: '!service.kubernetes.io/headless' }).length, 0)
  const manager = 'endpointslice.kubernetes.io/managed-by=endpointslice-controller.k8s.io'
  t.equal(derive(service(), [], { labelSelector: manager }).length, 1)
  const proxied = service({}, { labels: { 'service.kubernetes.io/service-proxy-name': 'other' } })
  t.equal(
    derive(proxied, [])[0]?.metadata.labels['service.kubernetes.io/service-proxy-name'],
    'other',
  )
})

const fleet = (size: number): Pod[] =>
  Array.from({ length: size }, (_, i) =>
    pod({ name: `web-${i}`, ips: [`10.1.${i >> 8}.${i & 255}`] }),
  )

t.test('slices hold up to 100 endpoints, and every Pod is in one', async t => {
  const slices = derive(service(), fleet(1000))
  t.ok(slices.every(({ endpoints }) => endpoints.length <= 100))
  const names = slices.flatMap(({ endpoints }) => endpoints.map(({ podName }) => podName))
  t.equal(names.length, 1000)
  t.equal(new Set(names).size, 1000)
  t.equal(new Set(slices.map(({ metadata }) => metadata.name)).size, slices.length)
  t.ok(slices.every(({ metadata }) => /^web-ipv4-[0-9a-f]{8}-[01]+$/.test(metadata.name)))
  t.equal(derive(service(), fleet(100)).length, 1)
})

t.test('the order of Pods does not matter', async t => {
  t.strictSame(derive(service(), fleet(250).reverse()), derive(service(), fleet(250)))
})

t.test('a change of one Pod changes one slice', async () => {
  const before = new Map(derive(service(), fleet(1000)).map(slice => [slice.metadata.name, slice]))
  fc.assert(
    fc.property(fc.nat(999), index => {
      const pods = fleet(1000)
      pods[index] = { ...(pods[index] as Pod), ready: false }
      const changed = derive(service(), pods).filter(
        slice => JSON.stringify(slice) !== JSON.stringify(before.get(slice.metadata.name)),
      )
      return changed.length === 1
    }),
    { numRuns: 10 },
  )
})

t.test('a Pod that comes or goes touches its own slice, or the halves of that', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), size => {
      const pods = fleet(size)
      const before = new Map(derive(service(), pods.slice(1)).map(it => [it.metadata.name, it]))
      const after = derive(service(), pods)
      const changed = after.filter(
        slice => JSON.stringify(slice) !== JSON.stringify(before.get(slice.metadata.name)),
      )
      return changed.length <= 2
    }),
    { numRuns: 50 },
  )
})
