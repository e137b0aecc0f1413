import type { ClusterObject } from '#cluster/objects.ts'
import { ZoneIndex } from '#dns/zone/zone-index.ts'
import type { ZoneOptions } from '#dns/zone/zone-options.ts'
import { added, endpoint, namespace, pod, service, slice } from './zone-cluster.ts'

/** A cluster with one example of everything that has names. */
export const sampleObjects: readonly ClusterObject[] = [
  namespace('testns', { team: 'a' }),
  namespace('other', { team: 'b' }),
  service({ name: 'svc1', ips: ['10.0.0.1'] }),
  slice({
    of: 'svc1',
    endpoints: [endpoint('172.0.0.1'), endpoint('172.0.0.9', { ready: false })],
  }),
  service({ name: 'lb', type: 'LoadBalancer', ips: ['10.0.0.2'], externalIPs: ['203.0.113.1'] }),
  service({ name: 'dual', ips: ['10.0.0.3', 'fd00::3'] }),
  service({ name: 'six', ips: ['fd00::6'] }),
  service({ name: 'three', ips: ['10.0.0.4'], ports: ['a/TCP/1', 'b/TCP/2', 'c/UDP/3'] }),
  service({ name: 'dns', ips: ['10.0.0.10'], ports: ['dns/UDP/53', 'dns-tcp/TCP/53'] }),
  service({ name: 'unnamed', ips: ['10.0.0.5'], ports: ['/TCP/80'] }),
  service({ name: 'hidden', namespace: 'nonexistent', ips: ['10.0.0.6'] }),
  service({ name: 'svc1', namespace: 'other', ips: ['10.0.1.1'] }),

  service({ name: 'hdls', ips: ['None'], ports: ['http/TCP/80'] }),
  slice({
    of: 'hdls',
    name: 'hdls-a',
    endpoints: [endpoint('172.0.0.2'), endpoint('172.0.0.3'), endpoint('172.0.0.2')],
  }),
  slice({
    of: 'hdls',
    name: 'hdls-b',
    endpoints: [
      endpoint('172.0.0.4', { hostname: 'dup' }),
      endpoint('172.0.0.5', { hostname: 'dup' }),
      endpoint('172.0.0.6', { ready: false }),
      endpoint('172.0.0.7', { podName: 'pod-7' }),
    ],
  }),
  slice({ of: 'hdls', name: 'hdls-c', endpoints: [endpoint('fd00:10::')] }),
  service({ name: 'none-ready', ips: ['None'] }),
  slice({ of: 'none-ready', endpoints: [endpoint('172.0.0.8', { ready: false })] }),
  service({ name: 'portless', ips: ['None'], ports: [] }),
  slice({ of: 'portless', ports: [], endpoints: [endpoint('172.0.2.1')] }),
  service({ name: 'web', ips: ['None'] }),
  slice({
    of: 'web',
    endpoints: [
      endpoint('172.0.3.1', { hostname: 'web-0', podName: 'web-0' }),
      endpoint('172.0.3.2', { hostname: 'web-1', podName: 'web-1', ready: false }),
    ],
  }),
  service({ name: 'shared', namespace: 'other', ips: ['None'] }),
  slice({ of: 'shared', namespace: 'other', endpoints: [endpoint('172.0.0.2')] }),

  service({ name: 'ext', externalName: 'Example.org' }),
  service({ name: 'ext-dot', externalName: 'example.org.' }),
  service({ name: 'ext-in', externalName: 'svc1.testns.svc.cluster.local' }),
  service({ name: 'ext-ext', externalName: 'ext-in.testns.svc.cluster.local' }),
  service({ name: 'ext-out', externalName: 'ext.testns.svc.cluster.local' }),
  service({ name: 'ext-missing', externalName: 'nope.testns.svc.cluster.local' }),
  service({ name: 'ext-ip', externalName: '192.0.2.7' }),
  service({ name: 'ext-self', externalName: 'ext-self.testns.svc.cluster.local' }),
  service({ name: 'ext-a', externalName: 'ext-b.testns.svc.cluster.local' }),
  service({ name: 'ext-b', externalName: 'ext-a.testns.svc.cluster.local' }),

  pod({ name: 'p1', ips: ['10.9.0.1'] }),
  pod({ name: 'p2', ips: ['10.9.0.2'], phase: 'Succeeded' }),
  pod({ name: 'p3', ips: ['10.9.0.3'], namespace: 'other' }),
  pod({ name: 'p4', ips: ['10.9.0.4'], phase: 'Pending' }),
]

export const zoneOptions = (options: Partial<ZoneOptions> = {}): ZoneOptions => ({
  primaryZone: 'cluster.local.',
  ttl: 5,
  pods: 'disabled',
  namespaces: undefined,
  selectsNamespace: undefined,
  ignoreEmptyServices: false,
  zonal: false,
  localAddresses: [],
  ...options,
})

export function indexOf(objects: Iterable<ClusterObject>, nowMs = 0, podNames = false): ZoneIndex {
  const index = new ZoneIndex({ podNames })
  for (const object of objects) index.apply(added(object), nowMs)
  return index
}
