import { hash } from 'node:crypto'
import type { IpFamily } from '#net/ip.ts'
import { objectFromApi } from '../from-api.ts'
import type { EndpointSlice, Labels } from '../objects.ts'
import { Raw } from '../raw.ts'
import type { ObjectFilter } from '../selection.ts'

/** The label of an EndpointSlice that names the controller which made it. */
export const MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by'

export type ApiEndpointPort = {
  readonly name: string
  readonly protocol: string
  readonly port: number
}

/** An endpoint as controllers write it into the API. */
export type ApiEndpoint = {
  readonly addresses: readonly string[]
  readonly conditions: {
    readonly ready: boolean
    readonly serving?: boolean
    readonly terminating?: boolean
  }
  readonly hostname?: string | undefined
  readonly nodeName?: string | undefined
  readonly zone?: string | undefined
  readonly targetRef: { readonly kind: string; readonly name: string }
}

export type SliceContent = {
  readonly service: string
  readonly namespace: string
  readonly labels: Labels
  readonly family: IpFamily
  readonly ports: readonly ApiEndpointPort[]
  readonly endpoints: readonly ApiEndpoint[]
  /** Tells slices with the same ports apart. */
  readonly suffix: string
}

/**
 * The slice that a controller would have written, or undefined where `filter` does not take it. Its name depends on
 * Service, family, ports and suffix alone.
 */
export function makeSlice(content: SliceContent, filter: ObjectFilter): EndpointSlice | undefined {
  const { service, namespace, labels, family, ports, endpoints, suffix } = content
  const ending = `-ipv${family}-${hash('sha256', JSON.stringify(ports)).slice(0, 8)}${suffix}`
  const slice = {
    metadata: { name: `${service}${ending}`, namespace, labels },
    addressType: `IPv${family}`,
    ports,
    endpoints,
  }
  return filter.matches(new Raw(slice)) ? objectFromApi('EndpointSlice', slice) : undefined
}
