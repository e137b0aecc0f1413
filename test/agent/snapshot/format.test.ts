import t from 'tap'
import { decodeHeader, SNAPSHOT_VERSION } from '#agent/snapshot/format.ts'
import type { Endpoint, Kind, ObjectOf, ServicePortSpec } from '#cluster/objects.ts'

type Fields<T> = { readonly [K in keyof Required<T>]: true }

/**
 * The fields that snapshots of this version have. When the compiler wants this changed, raise SNAPSHOT_VERSION: an older file would
 * bring objects without the new fields into the store.
 */
const fields: { readonly [K in Kind]: Fields<ObjectOf[K]> } & {
  readonly port: Fields<ServicePortSpec>
  readonly endpoint: Fields<Endpoint>
} = {
  Service: {
    kind: true,
    metadata: true,
    type: true,
    clusterIP: true,
    clusterIPs: true,
    ipFamilies: true,
    ports: true,
    externalIPs: true,
    externalName: true,
    loadBalancerIngress: true,
    loadBalancerSourceRanges: true,
    affinityTimeoutSeconds: true,
    internalTrafficPolicy: true,
    externalTrafficPolicy: true,
    healthCheckNodePort: true,
    publishNotReadyAddresses: true,
    selector: true,
  },
  EndpointSlice: {
    kind: true,
    metadata: true,
    addressType: true,
    ports: true,
    endpoints: true,
    lastChangeTriggerTimeMs: true,
  },
  Node: {
    kind: true,
    metadata: true,
    addresses: true,
    podCIDRs: true,
    taints: true,
    createdMs: true,
    deleting: true,
  },
  Namespace: { kind: true, metadata: true },
  ServiceCIDR: { kind: true, metadata: true, cidrs: true },
  ServiceImport: { kind: true, metadata: true, type: true, ips: true, ports: true },
  Pod: {
    kind: true,
    metadata: true,
    dnsPolicy: true,
    dnsConfig: true,
    hostNetwork: true,
    hostname: true,
    subdomain: true,
    nodeName: true,
    containerPorts: true,
    phase: true,
    podIPs: true,
    ready: true,
    deleting: true,
  },
  port: {
    name: true,
    protocol: true,
    port: true,
    nodePort: true,
    targetPort: true,
    appProtocol: true,
  },
  endpoint: {
    addresses: true,
    conditions: true,
    hostname: true,
    nodeName: true,
    podName: true,
    zone: true,
    zoneHints: true,
    nodeHints: true,
  },
}

t.test('version 1 has the fields that objects have today', async t => {
  t.equal(SNAPSHOT_VERSION, 1)
  t.equal(Object.keys(fields).length, 9)
})

t.test('a first line that is not of this version is refused with the reason', async t => {
  const header = {
    format: 'nodeplane-snapshot',
    version: 1,
    origin: 'o',
    node: 'n',
    confirmedMs: 1,
    selections: {},
  }
  const decode = (value: unknown) => decodeHeader(Buffer.from(JSON.stringify(value)))
  t.strictSame(decode(header), header)
  const cases: readonly (readonly [unknown, RegExp])[] = [
    ['text', /no snapshot/],
    [null, /no snapshot/],
    [{ ...header, format: 'other' }, /no snapshot/],
    [{ ...header, version: 2 }, /version 2, and this is version 1/],
    [{ ...header, node: 1 }, /lacks fields/],
    [{ ...header, selections: undefined }, /lacks selections/],
  ]
  for (const [value, message] of cases) {
    t.throws(() => decode(value), { code: 'ERR_SNAPSHOT', message })
  }
  t.throws(() => decodeHeader(Buffer.from('{')), /no snapshot/)
})
