import fc from 'fast-check'
import { type EndpointSlice, SERVICE_NAME_LABEL, type Service } from '#cluster/objects.ts'
import type { Protocol } from '#net/protocol.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'

/** Names of Services. */
export const names = fc.constantFrom('a', 'b', 'c')
const protocols = fc.constantFrom<Protocol>('TCP', 'UDP')
const policies = fc.constantFrom('Cluster', 'Local')
const externals = fc.uniqueArray(fc.constantFrom('198.51.100.1', '198.51.100.2'), { maxLength: 2 })

/** Services of which some want the same addresses and ports. */
export const someService: fc.Arbitrary<Service> = fc
  .record({
    name: names,
    type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
    clusterIP: fc.constantFrom('10.96.0.1', '10.96.0.2', 'None'),
    internalTrafficPolicy: policies,
    externalTrafficPolicy: policies,
    externalIPs: externals,
    vips: externals,
    loadBalancerSourceRanges: fc.array(
      fc.constantFrom('10.0.0.0/8', '10.1.2.3/16', '192.0.2.0/24', '203.0.113.9/32', '0.0.0.0/0'),
      { maxLength: 3 },
    ),
    affinityTimeoutSeconds: fc.constantFrom(undefined, 60, 10800),
    ports: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('', 'x', 'y'),
        protocol: protocols,
        port: fc.constantFrom(80, 81),
        nodePort: fc.constantFrom(0, 30000, 30001),
      }),
      { maxLength: 3, selector: ({ name, protocol }) => `${name} ${protocol}` },
    ),
  })
  .map(({ vips, ...fields }) =>
    service({
      ...fields,
      loadBalancerIngress: vips.map(ip => ({ ip })),
      ports: fields.ports.map(servicePort),
    }),
  )

const someEndpoint = fc
  .record({
    address: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', 'junk'),
    ready: fc.boolean(),
    serving: fc.boolean(),
    terminating: fc.boolean(),
    nodeName: fc.constantFrom('node-1', 'node-2', undefined),
  })
  .map(({ address, nodeName, ...conditions }) => endpoint(address, { nodeName, conditions }))

export const sliceNames = fc.constantFrom('s1', 's2', 's3', 's4')
/** Slices of these Services. */
export const someSlice: fc.Arbitrary<EndpointSlice> = fc
  .record({
    name: sliceNames,
    owner: names,
    ports: fc.array(
      fc.record({
        name: fc.constantFrom('', 'x', 'y'),
        protocol: protocols,
        port: fc.constantFrom(8080, 8081, undefined),
      }),
      { maxLength: 3 },
    ),
    endpoints: fc.array(someEndpoint, { maxLength: 4 }),
  })
  .map(({ owner, ...fields }) => slice({ ...fields, labels: { [SERVICE_NAME_LABEL]: owner } }))
