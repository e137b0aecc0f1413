import type { EndpointSlice, Service } from '#cluster/objects.ts'
import { SERVICE_NAME_LABEL } from '#cluster/objects.ts'
import { parsePrefix } from '#net/prefix.ts'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { endpoint, service, servicePort, slice } from './cluster.ts'
import type { TestNamespace } from './namespace.ts'
import type { TestPod, Topology } from './topology.ts'
import { ask } from './traffic.ts'

/** Pods are known by their prefixes, and node ports answer on all addresses. */
export const settings: ProxySettings = {
  nodeName: 'node-1',
  families: [4, 6],
  clusterCIDRs: ['10.244.0.0/16', 'fd00:244::/32'].map(text => parsePrefix(text) as never),
  masqueradeAll: false,
  nodePortAddresses: [],
}

const ports = (['TCP', 'UDP'] as const).map(protocol => ({ name: protocol, protocol, port: 8080 }))

/** A Service number N: cluster IP 10.96.0.N, node port 30000 + N, external IP 198.51.100.N, VIP 203.0.113.N. */
export const numbered = (number: number, fields: Partial<Service> = {}): Service =>
  service({
    name: `s${number}`,
    type: 'LoadBalancer',
    ipFamilies: [4, 6],
    clusterIP: address('clusterIP', number, 4),
    clusterIPs: [address('clusterIP', number, 4), address('clusterIP', number, 6)],
    externalIPs: [address('externalIP', number, 4), address('externalIP', number, 6)],
    loadBalancerIngress: ([4, 6] as const).map(family => ({ ip: address('vip', number, family) })),
    ports: ports.map(({ name, protocol }) =>
      servicePort({ name, protocol, nodePort: 30000 + number }),
    ),
    ...fields,
  })

const networks = {
  clusterIP: { 4: '10.96.0.', 6: 'fd00:96::' },
  externalIP: { 4: '198.51.100.', 6: 'fd00:e::' },
  vip: { 4: '203.0.113.', 6: 'fd00:f::' },
}
function address(what: keyof typeof networks, number: number, family: 4 | 6): string {
  return `${networks[what][family]}${number}`
}

/** Endpoints of Service number N. The first pods are on this node, those after them said to be on another one. */
export function slices(
  number: number,
  here: readonly TestPod[],
  elsewhere: readonly TestPod[] = [],
): readonly EndpointSlice[] {
  const labels = { [SERVICE_NAME_LABEL]: `s${number}` }
  return ([4, 6] as const).map(family =>
    slice({
      name: `s${number}-${family}`,
      labels,
      ports,
      addressType: `IPv${family}`,
      endpoints: [...here, ...elsewhere].map(pod =>
        endpoint(family === 4 ? pod.ip4 : pod.ip6, {
          nodeName: here.includes(pod) ? 'node-1' : 'node-2',
        }),
      ),
    }),
  )
}

export type To = keyof typeof networks | 'nodePort'
export type Way = {
  readonly number: number
  readonly family: 4 | 6
  readonly protocol: 'tcp' | 'udp'
}
export const external = ['externalIP', 'vip', 'nodePort'] as const

/** The different outcomes of some connections to a Service by its number, sorted. */
export const outcomesOn =
  (net: Topology) =>
  async (
    from: TestNamespace,
    to: To,
    { number, family, protocol }: Way,
    count = 20,
  ): Promise<readonly string[]> => {
    const nodeIP = family === 4 ? net.nodeIp4 : net.nodeIp6
    const host = to === 'nodePort' ? nodeIP : address(to, number, family)
    const port = to === 'nodePort' ? 30000 + number : 80
    return [...new Set(await ask(from, { protocol, host, port }, count))].sort()
  }
