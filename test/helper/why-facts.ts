import type { EndpointFacts, Facts, NameFacts, PodLink, ServiceFacts } from '#agent/why/facts.ts'
import type { EndpointSlice, Pod, Service } from '#cluster/objects.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { ChangeTracker } from '#proxy/change-tracker.ts'
import { endpoint, service, slice } from './cluster.ts'

export const ip = (text: string): IpAddress => parseIp(text) as IpAddress

export const pod = (fields: Partial<Pod> & { name?: string } = {}): Pod => {
  const { name = 'client', ...rest } = fields
  return {
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: {} },
    dnsPolicy: 'ClusterFirst',
    hostNetwork: false,
    hostname: '',
    subdomain: '',
    nodeName: 'node-1',
    containerPorts: [],
    phase: 'Running',
    podIPs: ['10.244.1.9'],
    ready: true,
    deleting: false,
    ...rest,
  }
}

/** A pod's interface on a bridge of this node. */
export const link = (
  changes: Partial<PodLink> & { hairpin?: boolean; filtered?: boolean } = {},
): PodLink => {
  const { hairpin = true, filtered = true, ...rest } = changes
  return {
    name: 'eth0',
    mtu: 1500,
    host: {
      name: 'veth1',
      mtu: 1500,
      bridge: { name: 'br0', mtu: 1500, isPromiscuous: false },
      hairpin,
      isBridgeFiltered: filtered,
    },
    ...rest,
  }
}

export const endpointFacts = (changes: Partial<EndpointFacts> = {}): EndpointFacts => ({
  address: ip('10.244.1.2'),
  port: 8080,
  isReady: true,
  nodeName: 'node-1',
  pod: 'default/web-a',
  isLocal: true,
  needsRoute: true,
  route: {
    to: ip('10.244.1.2'),
    kind: 'unicast',
    prefix: { family: 4, address: ip('10.244.1.0'), length: 24 },
    link: { name: 'br0', mtu: 1500 },
  },
  link: link(),
  listening: [{ address: ip('0.0.0.0'), port: 8080 }],
  ...changes,
})

/** Facts of a Service and its slices, as a proxy on node-1 has them. */
export function serviceFacts(
  object: Service = service(),
  slices: readonly EndpointSlice[] = [slice({ endpoints: [endpoint('10.244.1.2')] })],
  changes: Partial<ServiceFacts> = {},
): ServiceFacts {
  const tracker = new ChangeTracker(4, { nodeName: 'node-1' })
  const key = `${object.metadata.namespace}/${object.metadata.name}`
  tracker.apply({ kind: 'Service', key, before: undefined, after: object })
  for (const each of slices) {
    const sliceKey = `${each.metadata.namespace}/${each.metadata.name}`
    tracker.apply({ kind: 'EndpointSlice', key: sliceKey, before: undefined, after: each })
  }
  const [state] = tracker.stateOf(key)
  return {
    key,
    service: object,
    slices,
    pods: undefined,
    port: object.ports[0],
    state,
    reached:
      state === undefined
        ? undefined
        : {
            by: 'cluster-ip',
            address: state.clusterIP,
            port: 80,
            family: 4,
            nodePortAddresses: [],
            hasLoopback: false,
          },
    ...changes,
  }
}

export const nameFacts = (changes: Partial<NameFacts> = {}): NameFacts => ({
  asked: 'web',
  resolver: {
    servers: [ip('10.96.0.10')],
    searches: ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
    ndots: 5,
    why: 'dnsPolicy ClusterFirst',
  },
  clusterDomain: 'cluster.local',
  candidates: [
    {
      name: 'web.default.svc.cluster.local.',
      isAsGiven: false,
      rcode: 'NOERROR',
      addresses: [ip('10.96.0.10')],
    },
  ],
  meant: 'default/web',
  elsewhere: [],
  upstreams: [],
  ...changes,
})

/** A pod of node-1 that reaches `default/web` by its name; nothing is wrong. */
export const facts = (changes: Partial<Facts> = {}): Facts => ({
  target: { kind: 'name', name: 'web', port: 80 },
  nodeName: 'node-1',
  view: { origin: 'https://api:6443', state: 'live', nowMs: 1_000_000 },
  client: {
    kind: 'pod',
    addresses: [ip('10.244.1.9')],
    pod: pod(),
    link: link(),
    route: { to: ip('10.96.0.10'), kind: 'unicast' },
  },
  name: nameFacts(),
  service: serviceFacts(),
  rules: { mode: 'nftables', missing: [] },
  flows: { total: 0, stale: [], staleCount: 0 },
  endpoints: [endpointFacts()],
  leases: [],
  ...changes,
})
