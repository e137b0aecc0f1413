import t from 'tap'
import { objectFromApi } from '#cluster/from-api.ts'
import { ConvertError } from '#cluster/raw.ts'

t.test('a Service as an application manifest has it: API defaults are filled in', async t => {
  const service = objectFromApi('Service', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', labels: { app: 'web' }, annotations: { note: 'x' } },
    spec: {
      selector: { app: 'web' },
      clusterIP: '10.96.0.10',
      ports: [{ port: 80, targetPort: 'http' }],
    },
  })
  t.strictSame(service, {
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default', labels: {} },
    type: 'ClusterIP',
    clusterIP: '10.96.0.10',
    clusterIPs: [],
    ipFamilies: [],
    ports: [
      {
        name: '',
        protocol: 'TCP',
        port: 80,
        nodePort: 0,
        targetPort: 'http',
        appProtocol: undefined,
      },
    ],
    externalIPs: [],
    externalName: '',
    loadBalancerIngress: [],
    loadBalancerSourceRanges: [],
    affinityTimeoutSeconds: undefined,
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Cluster',
    healthCheckNodePort: 0,
    publishNotReadyAddresses: false,
    selector: { app: 'web' },
  })
})

t.test('a Service with everything: each field comes from its place', async t => {
  const service = objectFromApi('Service', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'web',
      namespace: 'shop',
      labels: { 'service.kubernetes.io/service-proxy-name': 'other', app: 'web' },
    },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.10',
      clusterIPs: ['10.96.0.10', 'fd00:96::10'],
      ipFamilies: ['IPv4', 'IPv6'],
      ipFamilyPolicy: 'RequireDualStack',
      selector: { app: 'web' },
      ports: [
        {
          name: 'https',
          protocol: 'SCTP',
          port: 443,
          nodePort: 30443,
          targetPort: 8443,
          appProtocol: 'kubernetes.io/wss',
        },
      ],
      externalIPs: ['198.51.100.1', 'fd00:e::1'],
      externalName: 'web.example.org',
      loadBalancerSourceRanges: ['203.0.113.0/24'],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 120 } },
      internalTrafficPolicy: 'Local',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 32100,
      publishNotReadyAddresses: true,
    },
    status: {
      loadBalancer: {
        ingress: [
          { ip: '203.0.113.1', ipMode: 'Proxy', ports: [{ port: 443, protocol: 'TCP' }] },
          { hostname: 'lb.example.org' },
        ],
      },
    },
  })
  t.strictSame(service, {
    kind: 'Service',
    metadata: {
      name: 'web',
      namespace: 'shop',
      labels: { 'service.kubernetes.io/service-proxy-name': 'other' },
    },
    type: 'LoadBalancer',
    clusterIP: '10.96.0.10',
    clusterIPs: ['10.96.0.10', 'fd00:96::10'],
    ipFamilies: [4, 6],
    ports: [
      {
        name: 'https',
        protocol: 'SCTP',
        port: 443,
        nodePort: 30443,
        targetPort: 8443,
        appProtocol: 'kubernetes.io/wss',
      },
    ],
    externalIPs: ['198.51.100.1', 'fd00:e::1'],
    externalName: 'web.example.org',
    loadBalancerIngress: [
      { ip: '203.0.113.1', hostname: undefined, ipMode: 'Proxy' },
      { ip: undefined, hostname: 'lb.example.org', ipMode: undefined },
    ],
    loadBalancerSourceRanges: ['203.0.113.0/24'],
    affinityTimeoutSeconds: 120,
    internalTrafficPolicy: 'Local',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 32100,
    publishNotReadyAddresses: true,
    selector: { app: 'web' },
  })
})

const clientIP = (timeoutSeconds?: number) => ({ clientIP: { timeoutSeconds } })
const affinities: readonly { title: string; spec: object; want: number | undefined }[] = [
  { title: 'without a timeout three hours', spec: { sessionAffinity: 'ClientIP' }, want: 10_800 },
  {
    title: 'with an empty configuration three hours',
    spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig: clientIP() },
    want: 10_800,
  },
  {
    title: 'None has no timeout, whatever its configuration',
    spec: { sessionAffinity: 'None', sessionAffinityConfig: clientIP(120) },
    want: undefined,
  },
]
for (const { title, spec, want } of affinities) {
  t.test(`session affinity: ${title}`, async t => {
    const { affinityTimeoutSeconds } = objectFromApi('Service', { metadata: { name: 'a' }, spec })
    t.equal(affinityTimeoutSeconds, want)
  })
}

t.test('an EndpointSlice with everything: each field comes from its place', async t => {
  const slice = objectFromApi('EndpointSlice', {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: 'web-1',
      namespace: 'shop',
      labels: {
        'kubernetes.io/service-name': 'web',
        'service.kubernetes.io/headless': '',
        other: 'x',
      },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-02T03:04:05Z' },
    },
    addressType: 'IPv6',
    ports: [{ name: 'dns', protocol: 'UDP', port: 5353, appProtocol: 'dns' }],
    endpoints: [
      {
        addresses: ['fd00::6', 'fd00::7'],
        conditions: { ready: false, serving: true, terminating: true },
        hostname: 'web-0',
        nodeName: 'node-1',
        targetRef: { kind: 'Pod', namespace: 'shop', name: 'web-0', uid: 'x' },
        zone: 'a',
        hints: {
          forZones: [{ name: 'a' }, { name: 'b' }],
          forNodes: [{ name: 'node-1' }, { name: 'node-2' }],
        },
      },
    ],
  })
  t.strictSame(slice, {
    kind: 'EndpointSlice',
    metadata: {
      name: 'web-1',
      namespace: 'shop',
      labels: { 'kubernetes.io/service-name': 'web', 'service.kubernetes.io/headless': '' },
    },
    addressType: 'IPv6',
    ports: [{ name: 'dns', protocol: 'UDP', port: 5353 }],
    endpoints: [
      {
        addresses: ['fd00::6', 'fd00::7'],
        conditions: { ready: false, serving: true, terminating: true },
        hostname: 'web-0',
        nodeName: 'node-1',
        podName: 'web-0',
        zone: 'a',
        zoneHints: ['a', 'b'],
        nodeHints: ['node-1', 'node-2'],
      },
    ],
    lastChangeTriggerTimeMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  })
})

t.test('conditions: nil ready and serving count as true, nil terminating as false', async t => {
  const slice = objectFromApi('EndpointSlice', {
    metadata: {
      name: 'web-1',
      namespace: 'shop',
      labels: { 'kubernetes.io/service-name': 'web', other: 'x' },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-02T03:04:05Z' },
    },
    addressType: 'IPv6',
    ports: [{ name: null, port: 8080 }, { name: 'none' }],
    endpoints: [
      { addresses: ['fd00::5'] },
      {
        addresses: ['fd00::6'],
        conditions: { ready: false, serving: true, terminating: true },
        targetRef: { kind: 'Pod', name: 'web-0' },
        hints: { forZones: [{ name: 'a' }] },
      },
    ],
  })
  t.strictSame(slice.metadata.labels, { 'kubernetes.io/service-name': 'web' })
  t.equal(slice.lastChangeTriggerTimeMs, Date.UTC(2026, 0, 2, 3, 4, 5))
  t.strictSame(slice.ports, [
    { name: '', protocol: 'TCP', port: 8080 },
    { name: 'none', protocol: 'TCP', port: undefined },
  ])
  const [first, second] = slice.endpoints
  t.strictSame(first?.conditions, { ready: true, serving: true, terminating: false })
  t.strictSame(second?.conditions, { ready: false, serving: true, terminating: true })
  t.equal(second?.podName, 'web-0')
  t.strictSame(second?.zoneHints, ['a'])
})

t.test('a Pod: addresses, named ports, readiness, resolver fields', async t => {
  const pod = objectFromApi('Pod', {
    metadata: {
      name: 'web-0',
      namespace: 'shop',
      labels: { app: 'web' },
      deletionTimestamp: '2026-01-01T00:00:00Z',
    },
    spec: {
      hostNetwork: true,
      dnsPolicy: 'None',
      dnsConfig: {
        nameservers: ['10.0.0.1'],
        options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
      },
      containers: [{ ports: [{ name: 'http', containerPort: 8080 }] }, {}],
    },
    status: { podIP: '10.1.0.5', conditions: [{ type: 'Ready', status: 'True' }] },
  })
  t.match(pod, {
    metadata: { labels: { app: 'web' } },
    dnsPolicy: 'None',
    dnsConfig: {
      nameservers: ['10.0.0.1'],
      searches: [],
      options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
    },
    hostNetwork: true,
    containerPorts: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
    podIPs: ['10.1.0.5'],
    ready: true,
    deleting: true,
  })
})

t.test('a Node: podCIDRs win over podCIDR', async t => {
  const base = { metadata: { name: 'n1' }, spec: { podCIDR: '10.1.0.0/24' } }
  t.strictSame(objectFromApi('Node', base).podCIDRs, ['10.1.0.0/24'])
  const dual = {
    ...base,
    spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24', 'fd00:1::/64'] },
  }
  t.strictSame(objectFromApi('Node', dual).podCIDRs, ['10.1.0.0/24', 'fd00:1::/64'])
  t.equal(objectFromApi('Node', base).metadata.namespace, '')
})

t.test('a Node with everything: each field comes from its place', async t => {
  const node = objectFromApi('Node', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: 'n1',
      labels: { 'topology.kubernetes.io/zone': 'a', other: 'x' },
      creationTimestamp: '2026-01-02T03:04:05Z',
      deletionTimestamp: '2026-02-03T04:05:06Z',
    },
    spec: {
      podCIDR: '10.1.0.0/24',
      podCIDRs: ['10.1.0.0/24', 'fd00:1::/64'],
      taints: [{ key: 'ToBeDeletedByClusterAutoscaler', value: '1', effect: 'NoSchedule' }],
    },
    status: {
      addresses: [
        { type: 'InternalIP', address: '192.0.2.1' },
        { type: 'Hostname', address: 'n1' },
      ],
    },
  })
  t.strictSame(node, {
    kind: 'Node',
    metadata: {
      name: 'n1',
      namespace: '',
      labels: { 'topology.kubernetes.io/zone': 'a', other: 'x' },
    },
    addresses: [
      { type: 'InternalIP', address: '192.0.2.1' },
      { type: 'Hostname', address: 'n1' },
    ],
    podCIDRs: ['10.1.0.0/24', 'fd00:1::/64'],
    taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }],
    createdMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    deleting: true,
  })
  const living = objectFromApi('Node', { metadata: { name: 'n1', deletionTimestamp: null } })
  t.equal(living.deleting, false)
})

const wrong: readonly { title: string; object: unknown; field: string }[] = [
  { title: 'no name', object: { metadata: {} }, field: 'metadata.name' },
  { title: 'not an object', object: [], field: '' },
  {
    title: 'a number that is text',
    object: { metadata: { name: 'a' }, spec: { ports: [{ port: '80' }] } },
    field: 'spec.ports[0].port',
  },
  {
    title: 'an unknown protocol',
    object: { metadata: { name: 'a' }, spec: { ports: [{ port: 80, protocol: 'tcp' }] } },
    field: 'spec.ports[0].protocol',
  },
  {
    title: 'labels that are no map',
    object: { metadata: { name: 'a', labels: ['x'] } },
    field: 'metadata.labels',
  },
]
for (const { title, object, field } of wrong) {
  t.test(`refused, naming the field: ${title}`, async t => {
    try {
      objectFromApi('Service', object)
      t.fail('was accepted')
    } catch (error) {
      t.ok(error instanceof ConvertError)
      t.equal(error instanceof ConvertError && error.field, field)
    }
  })
}

t.test('a ServiceCIDR has its ranges as they are written', async t => {
  const raw = {
    metadata: { name: 'kubernetes', namespace: 'ignored' },
    spec: { cidrs: ['10.96.0.0/12', 'fd00:96::/108'] },
  }
  t.strictSame(objectFromApi('ServiceCIDR', raw), {
    kind: 'ServiceCIDR',
    metadata: { name: 'kubernetes', namespace: '', labels: {} },
    cidrs: ['10.96.0.0/12', 'fd00:96::/108'],
  })
  const text = { ...raw, spec: { cidrs: '10.96.0.0/12' } }
  t.throws(() => objectFromApi('ServiceCIDR', text), /^spec.cidrs: /)
})

t.test('a ServiceImport has its type, addresses and ports', async t => {
  const metadata = { name: 'db', namespace: 'shop', labels: { app: 'db' } }
  const ports = [
    { name: 'sql', protocol: 'TCP', port: 5432 },
    { port: 53, protocol: 'UDP' },
  ]
  const raw = { metadata, spec: { type: 'ClusterSetIP', ips: ['10.42.0.1'], ports } }
  t.strictSame(objectFromApi('ServiceImport', raw), {
    kind: 'ServiceImport',
    metadata: { name: 'db', namespace: 'shop', labels: {} },
    type: 'ClusterSetIP',
    ips: ['10.42.0.1'],
    ports: [
      { name: 'sql', protocol: 'TCP', port: 5432 },
      { name: '', protocol: 'UDP', port: 53 },
    ],
  })
  const headless = objectFromApi('ServiceImport', { metadata, spec: { type: 'Headless' } })
  t.match(headless, { type: 'Headless', ips: [], ports: [] })
  t.throws(
    () => objectFromApi('ServiceImport', { metadata, spec: { type: 'Other' } }),
    /^spec.type: "Other" is not one of ClusterSetIP, Headless/,
  )
})
