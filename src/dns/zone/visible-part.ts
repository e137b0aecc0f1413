import {
  type EndpointSlice,
  IMPORT_NAME_LABEL,
  SERVICE_NAME_LABEL,
  type Service,
  SOURCE_CLUSTER_LABEL,
} from '#cluster/objects.ts'

/** Do answers differ before and after? Whatever else of an object changes does not move the zone's serial. */
export function isVisibleChange<T extends Service | EndpointSlice>(
  before: T | undefined,
  after: T | undefined,
): boolean {
  if (before === undefined || after === undefined) return true
  return visiblePart(before) !== visiblePart(after)
}

const visiblePart = (object: Service | EndpointSlice): string =>
  JSON.stringify(object.kind === 'Service' ? servicePart(object) : slicePart(object))

const servicePart = ({ type, clusterIP, clusterIPs, externalName, ports }: Service) => [
  type,
  clusterIP,
  clusterIPs,
  externalName,
  ports.map(({ name, protocol, port }) => [name, protocol, port]),
]

const slicePart = ({ metadata, ports, endpoints }: EndpointSlice) => [
  metadata.labels[SERVICE_NAME_LABEL],
  metadata.labels[IMPORT_NAME_LABEL],
  metadata.labels[SOURCE_CLUSTER_LABEL],
  ports.map(({ name, protocol, port }) => [name, protocol, port]),
  endpoints
    .filter(({ conditions }) => conditions.ready)
    .map(({ addresses, hostname, podName, zone }) => [addresses, hostname, podName, zone]),
]
