import type { ClusterObject } from '#cluster/objects.ts'
import { SERVICE_NAME_LABEL } from '#cluster/objects.ts'
import { endpoint, service, servicePort, slice } from './cluster.ts'
import type { TestNamespace } from './namespace.ts'
import type { TestPod } from './topology.ts'

export const LARGE = 5000

const labels = (name: string) => ({ [SERVICE_NAME_LABEL]: name })

/** `ports` on 10.96.2.1, so many TCP ports from 1000 on, all of which lead to port 8080 of a pod. */
export function servicePorts(pod: TestPod, count = LARGE): readonly ClusterObject[] {
  const ports = Array.from({ length: count }, (_, index) =>
    servicePort({ name: `p${index}`, port: 1000 + index }),
  )
  return [
    service({ name: 'ports', clusterIP: '10.96.2.1', ports }),
    slice({
      name: 'ports-4',
      labels: labels('ports'),
      ports: ports.map(({ name, protocol }) => ({ name, protocol, port: 8080 })),
      endpoints: [endpoint(pod.ip4)],
    }),
  ]
}

/** `pods` on 10.96.2.2: so many endpoints, all of them addresses that {@link haveManyAddresses} gives a pod. */
export const serviceWithEndpoints = (count: number): readonly ClusterObject[] => [
  service({ name: 'pods', clusterIP: '10.96.2.2' }),
  slice({
    name: 'pods-4',
    labels: labels('pods'),
    endpoints: Array.from({ length: count }, (_, index) =>
      endpoint(`10.245.${index >> 8}.${index & 255}`),
    ),
  }),
]

/** Makes 10.245.0.0/16 addresses of one pod. */
export async function haveManyAddresses(node: TestNamespace, pod: TestPod): Promise<void> {
  await pod.namespace.ip('route add local 10.245.0.0/16 dev lo')
  await node.ip(`route add 10.245.0.0/16 via ${pod.ip4}`)
}
