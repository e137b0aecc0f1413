import { TestApiServer } from '../test/helper/api-server.ts'

/**
 * An API server with a cluster in it, as a process of its own so that the measured one has only the client: prints the path
 * of a kubeconfig and serves until its stdin ends. Objects have the fields of real ones, also those that are thrown away.
 */
const [services = 10_000, endpoints = 2] = process.argv.slice(2).map(Number)

const NAMESPACES = 50

const managedFields = (manager: string) => [
  {
    manager,
    operation: 'Update',
    apiVersion: 'v1',
    time: '2026-01-01T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: {
      'f:metadata': { 'f:labels': { '.': {}, 'f:app': {}, 'f:team': {} } },
      'f:spec': { 'f:internalTrafficPolicy': {}, 'f:ports': { '.': {} }, 'f:selector': {} },
    },
  },
]

const address = (first: number, i: number) =>
  `${first}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`

function service(i: number) {
  const clusterIP = address(10, i + 1)
  return {
    metadata: {
      ...names(i, `app-${i}`),
      labels: { app: `app-${i}`, team: `team-${i % 50}` },
      annotations: { 'example.com/owner': `team-${i % 50}@example.com` },
      managedFields: managedFields('kubectl'),
    },
    spec: {
      clusterIP,
      clusterIPs: [clusterIP],
      internalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [
        { name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 },
        { name: 'metrics', port: 9090, protocol: 'TCP', targetPort: 'metrics' },
      ],
      selector: { app: `app-${i}` },
      sessionAffinity: 'None',
      type: 'ClusterIP',
    },
    status: { loadBalancer: {} },
  }
}

function slice(i: number) {
  const { namespace } = names(i, '')
  return {
    metadata: {
      ...names(i, `app-${i}-x7k2p`),
      labels: {
        app: `app-${i}`,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        'kubernetes.io/service-name': `app-${i}`,
      },
      annotations: {
        'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z',
      },
      managedFields: managedFields('kube-controller-manager'),
    },
    addressType: 'IPv4',
    ports: [
      { name: 'http', port: 8080, protocol: 'TCP' },
      { name: 'metrics', port: 9090, protocol: 'TCP' },
    ],
    endpoints: Array.from({ length: endpoints }, (_, j) => ({
      addresses: [address(11, i * endpoints + j)],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${(i + j) % 100}`,
      targetRef: { kind: 'Pod', name: `app-${i}-5d4f8c7b9-${j}`, namespace, uid: uid(j) },
      zone: `zone-${j % 3}`,
    })),
  }
}

const names = (i: number, name: string) => ({
  name,
  namespace: `team-${i % NAMESPACES}`,
  uid: uid(i),
  creationTimestamp: '2026-01-01T00:00:00Z',
  generation: 1,
})

const uid = (i: number) => `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`

if (import.meta.main) {
  await using server = await TestApiServer.start({ token: 'bench' })
  for (let i = 0; i < services; i++) {
    server.set('Service', service(i))
    server.set('EndpointSlice', slice(i))
  }
  for (let i = 0; i < NAMESPACES; i++) server.set('Namespace', { metadata: { name: `team-${i}` } })
  server.set('Node', {
    metadata: { name: 'node-0' },
    status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }] },
  })
  // Its log of events would only be needed by watches from before.
  server.compact()
  console.log(await server.writeKubeconfig())
  process.stdin.resume()
  await new Promise(resolve => process.stdin.on('end', resolve))
}
