import type { ServiceStates } from '../backend.ts'
import type { ServicePortState } from '../change-tracker.ts'
import { countEndpoints, MAX_COMMENTED_ENDPOINTS } from './endpoint-count.ts'
import {
  constantChains,
  type FixedOptions,
  guardRules,
  jumpRules,
  type NodePortAddresses,
  nodePortTail,
  type SharedRule,
} from './fixed.ts'
import { IptablesPlan } from './plan.ts'
import { type PortRulesOptions, portRules } from './port-rules.ts'

/** What the rules are made of, besides the Services. */
export type WantedOptions = PortRulesOptions &
  FixedOptions & { readonly nodePortAddresses: NodePortAddresses }

/** All that a family's tables are to hold. */
export type WantedRules = {
  /** By `table chain`; each leads only to earlier ones. */
  readonly chains: ReadonlyMap<string, readonly string[]>
  /** The service ports that chains are made for, by `table chain`. */
  readonly ports: ReadonlyMap<string, ServicePortState>
  /** For chains that are not ours alone. */
  readonly shared: readonly SharedRule[]
}

/** The rules for these Services and nothing else. Pure. */
export function wantedRules(options: WantedOptions, states: ServiceStates): WantedRules {
  const all = [...states]
  const endpoints = all.reduce((count, [, ports]) => count + countEndpoints(ports), 0)
  const isTerse = endpoints > MAX_COMMENTED_ENDPOINTS
  const plan = new IptablesPlan(constantChains(options), new Map())
  const owners = new Map<string, ServicePortState>()
  for (const [service, ports] of all) {
    const rules = ports.map(port => portRules(port, { ...options, isTerse }))
    for (const [index, { chains }] of rules.entries()) {
      for (const { name } of chains) owners.set(`nat ${name}`, ports[index] as ServicePortState)
    }
    plan.set(service, rules, countEndpoints(ports))
  }
  plan.setTail(nodePortTail(options.nodePortAddresses, options))
  return { chains: plan.take().written, ports: owners, shared: sharedRules(options) }
}

/** The rules that lead to our chains, and what keeps others off localhost. */
export const sharedRules = ({
  hasLocalhostNodePorts,
}: Pick<FixedOptions, 'hasLocalhostNodePorts'>): readonly SharedRule[] =>
  hasLocalhostNodePorts ? [...jumpRules, ...guardRules] : jumpRules
