/** Objects of a made-up cluster as the API has them, with fields of real ones that are thrown away. */

/** How large each Service is. */
export type Shape = { readonly endpoints: number; readonly ports: readonly string[] }

/** Service number `index`. */
export function rawService(index: number, { ports }: Shape) {
  const clusterIP = addressOf(10, index + 1)
  const app = `app-${index}`
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      ...metadataOf(index, app),
      labels: { app, 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'meta.helm.sh/release-name': `release-${index}` },
    },
    spec: {
      clusterIP,
      clusterIPs: [clusterIP],
      internalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: ports.map((name, at) => ({ name, port: 80 + at, protocol: 'TCP', targetPort: name })),
      selector: { app },
      sessionAffinity: 'None',
      type: 'ClusterIP',
    },
    status: { loadBalancer: {} },
  }
}

/** The one slice of Service number `index`. */
export function rawSlice(index: number, { endpoints, ports }: Shape) {
  const app = `app-${index}`
  const metadata = metadataOf(index, `${app}-x7k2p`)
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...metadata,
      labels: {
        app,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        'kubernetes.io/service-name': app,
      },
      annotations: {
        'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z',
      },
    },
    addressType: 'IPv4',
    ports: ports.map((name, at) => ({ name, port: 8080 + at, protocol: 'TCP' })),
    endpoints: Array.from({ length: endpoints }, (_, at) => ({
      addresses: [addressOf(11, index * endpoints + at)],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${(index + at) % 100}`,
      targetRef: {
        kind: 'Pod',
        name: `${app}-5d4f8c7b9-${at}`,
        namespace: metadata.namespace,
        uid: uidOf(at),
      },
      zone: `zone-${at % 3}`,
    })),
  }
}

/** What kubectl leaves out of what it prints, and the API server sends. */
export const managedFields = (manager: string) => [
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

const metadataOf = (index: number, name: string) => ({
  name,
  namespace: `team-${index % 50}`,
  uid: uidOf(index),
  creationTimestamp: '2026-01-01T00:00:00Z',
  generation: 1,
})

/** Address number `index` of `first.0.0.0/8`. */
const addressOf = (first: number, index: number) =>
  `${first}.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`

const uidOf = (index: number) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
