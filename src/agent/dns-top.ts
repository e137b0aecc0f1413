import type { PodName } from '#cni/pods/pod-attachment.ts'
import type { AskedMost } from '#dns/top/asked-most.ts'
import type { IpAddress } from '#net/ip.ts'
import { Gauge, type Metrics } from '#runtime/metrics.ts'
import type { DnsView } from './view/types.ts'

/** What was asked most of late, with the pods that asked. */
export type DnsTop = Pick<DnsView, 'topNames' | 'topClients'>

export const NO_TOP: DnsTop = { topNames: [], topClients: [] }

/** Which of this node's pods has the address now. */
export type PodAt = (address: IpAddress) => Pick<PodName, 'namespace' | 'name'> | undefined

export const dnsTop = (
  { names, clients }: Pick<AskedMost, 'names' | 'clients'>,
  podAt: PodAt,
): DnsTop => ({
  topNames: names,
  topClients: clients.map(({ address, count }) => {
    const pod = podAt(address)
    return { address, ...(pod && { pod: `${pod.namespace}/${pod.name}` }), count }
  }),
})

/** The clients that asked most, as a metric: it has as many series as a {@link DnsTop} has clients, 20 at most. */
export function registerTopClients(metrics: Metrics, read: () => Promise<DnsTop>): void {
  const gauge = new Gauge({
    name: 'nodeplane_dns_top_client_queries',
    help: 'DNS queries of the last 2.5 to 5 minutes, of the 20 clients that asked most; a sample',
    labelNames: ['namespace', 'pod', 'address'],
    registers: [metrics],
  })
  Object.assign(gauge, {
    collect: async () => {
      const { topClients } = await read()
      gauge.reset()
      for (const { address, pod, count } of topClients) {
        const [namespace = '', name = ''] = pod?.split('/') ?? []
        gauge.set({ namespace, pod: name, address }, count)
      }
    },
  })
}
