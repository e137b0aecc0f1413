import type { EndpointSlice, Service } from '#cluster/objects.ts'
import { ChangeTracker } from '../../../src/proxy/change-tracker.ts'
import { type PortRulesOptions, portRules } from '../../../src/proxy/iptables/port-rules.ts'
import { service } from '../../helper/cluster.ts'

/** IPv4, nobody masqueraded, without comments. */
export const options: PortRulesOptions & { isTerse: boolean } = {
  family: 4,
  detector: undefined,
  masqueradeAll: false,
  nodeIPs: [],
  isTerse: true,
}

/** What tables hold for a Service: its own chains, and its rules in those of all, `-A CHAIN RULE` by `table CHAIN`. */
export function tablesOf(
  fields: Parameters<typeof service>[0],
  slices: readonly EndpointSlice[],
  changes: Partial<typeof options> = {},
): ReadonlyMap<string, readonly string[]> {
  const object: Service = service(fields)
  const { namespace, name } = object.metadata
  const key = `${namespace}/${name}`
  const tracker = new ChangeTracker(changes.family ?? 4, { nodeName: 'node-1' })
  tracker.apply({ kind: 'Service', key, before: undefined, after: object })
  for (const after of slices) {
    tracker.apply({ kind: 'EndpointSlice', key: `${namespace}/x`, before: undefined, after })
  }
  const found = new Map<string, readonly string[]>()
  const add = (chain: string, rules: readonly string[]) => {
    const lines = rules.map(rule => `-A ${chain.split(' ')[1]} ${rule}`)
    if (lines.length > 0) found.set(chain, [...(found.get(chain) ?? []), ...lines])
  }
  for (const port of tracker.stateOf(key)) {
    const { chains, dispatch } = portRules(port, { ...options, ...changes })
    for (const { name: chain, rules } of chains) add(`nat ${chain}`, rules)
    for (const [chain, rules] of Object.entries(dispatch)) add(chain, rules)
  }
  return found
}
