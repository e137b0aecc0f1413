import type { Endpoint, EndpointSlice, Service, ServicePortSpec } from '#cluster/objects.ts'
import { SERVICE_NAME_LABEL } from '#cluster/objects.ts'

type Meta = {
  readonly name: string
  readonly namespace?: string
  readonly labels?: Record<string, string>
}

/** A ClusterIP Service `default/web` on 10.96.0.10, TCP 80, unless said otherwise. */
export const service = ({
  name = 'web',
  namespace = 'default',
  labels = {},
  ...fields
}: Partial<Service> & Partial<Meta> = {}): Service => ({
  kind: 'Service',
  metadata: { name, namespace, labels },
  type: 'ClusterIP',
  clusterIP: '10.96.0.10',
  clusterIPs: [fields.clusterIP ?? '10.96.0.10'],
  ipFamilies: [],
  ports: [servicePort()],
  externalIPs: [],
  externalName: '',
  loadBalancerIngress: [],
  loadBalancerSourceRanges: [],
  internalTrafficPolicy: 'Cluster',
  externalTrafficPolicy: 'Cluster',
  healthCheckNodePort: 0,
  publishNotReadyAddresses: false,
  ...fields,
})

export const servicePort = (fields: Partial<ServicePortSpec> = {}): ServicePortSpec => ({
  name: '',
  protocol: 'TCP',
  port: 80,
  nodePort: 0,
  ...fields,
})

/** A ready endpoint on this node. */
export const endpoint = (
  address: string,
  {
    conditions,
    ...fields
  }: Partial<Omit<Endpoint, 'conditions'>> & {
    conditions?: Partial<Endpoint['conditions']>
  } = {},
): Endpoint => ({
  addresses: [address],
  conditions: { ready: true, serving: true, terminating: false, ...conditions },
  nodeName: 'node-1',
  ...fields,
})

/** An IPv4 slice of `default/web`, TCP 8080. */
export const slice = ({
  name = 'web-1',
  namespace = 'default',
  labels = { [SERVICE_NAME_LABEL]: 'web' },
  ...fields
}: Partial<EndpointSlice> & Partial<Meta> = {}): EndpointSlice => ({
  kind: 'EndpointSlice',
  metadata: { name, namespace, labels },
  addressType: 'IPv4',
  ports: [{ name: '', protocol: 'TCP', port: 8080 }],
  endpoints: [],
  ...fields,
})
