import type {
  Endpoint,
  EndpointPort,
  EndpointSlice,
  Service,
  ServicePortSpec,
} from '#cluster/objects.ts'

export const isHeadless = ({ clusterIP, type }: Service): boolean =>
  clusterIP === 'None' && type !== 'ExternalName'

export const endpointsIn = (slices: readonly EndpointSlice[]): readonly Endpoint[] =>
  slices.flatMap(({ endpoints }) => endpoints)

/** Does the service proxy send connections there, if there is nothing better? */
export const isUsable = ({ conditions }: Endpoint): boolean =>
  conditions.ready || (conditions.serving && conditions.terminating)

/** The ports of slices with endpoints that are those of a Service's port: of its name and protocol. */
export const portsNamed = (
  slices: readonly EndpointSlice[],
  { name, protocol }: Pick<ServicePortSpec, 'name' | 'protocol'>,
): readonly EndpointPort[] =>
  slices
    .filter(({ endpoints }) => endpoints.length > 0)
    .flatMap(({ ports }) => ports)
    .filter(port => port.name === name && port.protocol === protocol && Boolean(port.port))
