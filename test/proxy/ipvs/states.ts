import type { EndpointSlice, Service } from '#cluster/objects.ts'
import { keyOf } from '#cluster/objects.ts'
import type { IpAddress, IpFamily } from '#net/ip.ts'
import { ChangeTracker, type ServicePortState } from '../../../src/proxy/change-tracker.ts'
import type { PlanContext } from '../../../src/proxy/ipvs/port-plan.ts'

/** Node `node-1` with two addresses, one of which answers on node ports. */
export const context: PlanContext = {
  family: 4,
  nodeName: 'node-1',
  nodeIPs: ['192.168.50.1' as IpAddress],
  machineAddresses: new Set(['192.168.50.1', '10.244.1.1'] as IpAddress[]),
  nodePortAddresses: ['192.168.50.1' as IpAddress],
  scheduler: 'rr',
}

/** The state of each Service's ports on that node, by the key of the Service. */
export function statesOf(
  objects: readonly (Service | EndpointSlice)[],
  family: IpFamily = 4,
): ReadonlyMap<string, readonly ServicePortState[]> {
  const tracker = new ChangeTracker(family, context)
  const services = new Set<string>()
  for (const after of objects) {
    const change = { kind: after.kind, key: keyOf(after), before: undefined, after }
    for (const service of tracker.apply(change as never)) services.add(service)
  }
  return new Map([...services].map(key => [key, tracker.stateOf(key)]))
}
