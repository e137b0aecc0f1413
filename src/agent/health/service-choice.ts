import { type EndpointSlice, keyOf, SERVICE_NAME_LABEL, type Service } from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import { type IpAddress, parseIpLenient } from '#net/ip.ts'

/** What a probe connects to. */
export type ServiceTarget = {
  /** `namespace/name` */
  readonly service: string
  readonly host: IpAddress
  readonly port: number
}

/**
 * Services whose servers are made for strangers: connecting to them and leaving disturbs no application. The API server drops
 * what it has to say of it below its log level 5 (k8s.io/apiserver, tlsHandshakeErrorWriter).
 */
const CANDIDATES = ['default/kubernetes', 'kube-system/kube-dns']

/**
 * The Service by which it can be seen whether connections to cluster IPs arrive; undefined: there is none with an endpoint that
 * is ready. @param local addresses that this machine answers itself, whatever the rules say.
 */
export function chooseService(
  store: Pick<StoreReader, 'get' | 'list'>,
  local: readonly IpAddress[],
): ServiceTarget | undefined {
  for (const key of CANDIDATES) {
    const service = store.get('Service', key)
    const target = service && targetOf(service, local)
    if (target === undefined) continue
    const { namespace, name } = service?.metadata ?? {}
    for (const slice of store.list('EndpointSlice')) {
      if (slice.metadata.namespace !== namespace) continue
      if (slice.metadata.labels[SERVICE_NAME_LABEL] === name && hasReady(slice)) return target
    }
  }
  return undefined
}

function targetOf(service: Service, local: readonly IpAddress[]): ServiceTarget | undefined {
  const { type, clusterIP, ports, internalTrafficPolicy } = service
  const host = parseIpLenient(clusterIP)
  const port = ports.find(({ protocol }) => protocol === 'TCP')?.port
  // Under policy Local a node without an endpoint of its own drops what is sent.
  if (type === 'ExternalName' || internalTrafficPolicy === 'Local') return undefined
  if (host === undefined || port === undefined || local.includes(host)) return undefined
  return { service: keyOf(service), host, port }
}

const hasReady = ({ endpoints }: EndpointSlice): boolean =>
  endpoints.some(({ conditions }) => conditions.ready)
