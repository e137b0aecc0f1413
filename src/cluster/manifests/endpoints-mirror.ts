import { familyOf, type IpFamily, parseIpLenient } from '#net/ip.ts'
import { type EndpointSlice, SERVICE_NAME_LABEL } from '../objects.ts'
import type { Raw } from '../raw.ts'
import { labelsOf, type ObjectFilter } from '../selection.ts'
import { type ApiEndpoint, type ApiEndpointPort, MANAGED_BY_LABEL, makeSlice } from './api-slice.ts'

/** Addresses of one subset that become endpoints (`--mirroring-max-endpoints-per-subset`'s default). */
const MAX_ADDRESSES_A_SUBSET = 1000
const MANAGER = 'endpointslicemirroring-controller.k8s.io'

/**
 * The slices that v1 Endpoints become, as the EndpointSlice mirroring controller makes them: one for each family and set of
 * ports, with the labels of the Endpoints. Only those that `filter` takes; without a filter none. That a Service with
 * selector has no mirrored slices is for the caller to see to.
 * (Kubernetes, pkg/controller/endpointslicemirroring.)
 * @throws {ConvertError}
 */
export function mirrorEndpoints(
  raw: Raw,
  filter: ObjectFilter | undefined,
): readonly EndpointSlice[] {
  if (filter === undefined || !isMirrored(raw)) return []
  const name = raw.get('metadata').get('name').string()
  const namespace = raw.get('metadata').get('namespace').string()
  const labels = { ...labelsOf(raw), [SERVICE_NAME_LABEL]: name, [MANAGED_BY_LABEL]: MANAGER }
  return [...slicesOf(raw).values()]
    .map(parts => makeSlice({ service: name, namespace, labels, suffix: '', ...parts }, filter))
    .filter(slice => slice !== undefined)
}

function isMirrored(raw: Raw): boolean {
  if (labelsOf(raw)['endpointslice.kubernetes.io/skip-mirror'] === 'true') return false
  // Endpoints were once also the locks of leader elections.
  const annotations = raw.get('metadata').get('annotations')
  return annotations.get('control-plane.alpha.kubernetes.io/leader').isAbsent
}

type SliceParts = {
  readonly family: IpFamily
  readonly ports: readonly ApiEndpointPort[]
  readonly endpoints: ApiEndpoint[]
}

/** Subsets with the same ports share a slice for each family. */
function slicesOf(raw: Raw): ReadonlyMap<string, SliceParts> {
  const slices = new Map<string, SliceParts>()
  for (const subset of raw.get('subsets').items()) {
    const ports = subset.get('ports').items().map(portFrom)
    const addresses = [
      ...subset
        .get('addresses')
        .items()
        .map(address => endpointFrom(address, true)),
      ...subset
        .get('notReadyAddresses')
        .items()
        .map(address => endpointFrom(address, false)),
    ]
    // As the controller does: what is no address is left out.
    for (const { family, endpoint } of addresses
      .filter(it => it !== undefined)
      .slice(0, MAX_ADDRESSES_A_SUBSET)) {
      const id = `${family} ${JSON.stringify(ports)}`
      const slice = slices.get(id) ?? { family, ports, endpoints: [] }
      slice.endpoints.push(endpoint)
      slices.set(id, slice)
    }
  }
  return slices
}

const portFrom = (port: Raw): ApiEndpointPort => ({
  name: port.get('name').string(),
  protocol: port.get('protocol').string('TCP'),
  port: port.get('port').number(),
})

function endpointFrom(
  address: Raw,
  ready: boolean,
): { readonly family: IpFamily; readonly endpoint: ApiEndpoint } | undefined {
  const ip = parseIpLenient(address.get('ip').string())
  if (ip === undefined) return undefined
  const target = address.get('targetRef')
  const endpoint = {
    addresses: [ip],
    // Only `ready` is set: `serving` then counts as true.
    conditions: { ready },
    hostname: address.get('hostname').string() || undefined,
    nodeName: address.get('nodeName').optionalString(),
    targetRef: { kind: target.get('kind').string(), name: target.get('name').string() },
  }
  return { family: familyOf(ip), endpoint }
}
