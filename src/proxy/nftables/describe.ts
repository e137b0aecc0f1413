import type { IpPrefix } from '#net/prefix.ts'
import type { Difference, ServiceStates } from '../backend.ts'
import type { ServicePortState } from '../change-tracker.ts'
import { servicePortKey } from '../service-port.ts'
import { type Changes, type Container, type ElementChange, isEmpty } from './element.ts'
import type { Layout, LayoutOptions } from './layout.ts'
import { NftPlan } from './plan.ts'
import type { Recovered } from './recover.ts'
import { renderNow } from './render.ts'
import { type OwnNode, type PortRules, portRules } from './route.ts'
import { tableText } from './table.ts'
import { unclaimedRules } from './unclaimed.ts'

/** Why an element is in its container. */
const reasons: Readonly<Record<Container, string>> = {
  vips: 'an address and port that lead to a set of endpoints, by its id',
  'vips-inside': 'the same for connections of pods and of this node',
  nodeports: 'a node port that leads to a set of endpoints, by its id',
  'nodeports-inside': 'the same for connections of pods and of this node',
  lb: 'what to do for an id: pick one of N endpoints, refuse, or ignore',
  spread: 'an id with affinity: what to do with a new client',
  remember: 'an id with affinity: how long a client is remembered',
  'sticky-endpoints': 'an endpoint that a client of the id may be remembered with',
  'endpoints-tcp': 'the endpoint in a slot of an id',
  'endpoints-udp': 'the endpoint in a slot of an id',
  'endpoints-sctp': 'the endpoint in a slot of an id',
  restricted: 'a load balancer address with loadBalancerSourceRanges',
  'source-ranges': 'a source that may reach such an address',
  'cluster-ips': 'a cluster IP: other ports of it are refused',
  'service-cidrs': 'a range of cluster IPs: what no Service there claims is dropped',
  hairpins: 'an endpoint here that may reach itself through its Service',
  'masquerade-vips': 'an external address: whose source is replaced',
  'masquerade-nodeports': 'a node port: whose source is replaced',
  traffic: 'an address and port whose packets and bytes are counted',
  'traffic-nodeports': 'a node port whose packets and bytes are counted',
}

export type DescribeOptions = {
  readonly options: LayoutOptions
  readonly layout: Layout
  readonly node: OwnNode
  readonly serviceCIDRs: readonly IpPrefix[]
}

/** The table as a script for `nft -f`, with a comment for each Service and each element. Pure. */
export function* describeTable(
  { options, layout, node, serviceCIDRs }: DescribeOptions,
  states: ServiceStates,
): Generator<string> {
  const { table } = options
  yield `# Table ${tableText(table)}: what does not depend on the cluster.`
  yield* layout.text.trimEnd().split('\n')
  const plan = NftPlan.empty()
  const unclaimed = plan.update(new Map([unclaimedRules(serviceCIDRs)]))
  if (!isEmpty(unclaimed)) yield '# ServiceCIDRs'
  yield* describeChanges(unclaimed, options)
  for (const [service, ports] of states) {
    if (ports.length === 0) continue
    yield ''
    for (const port of ports) yield `# ${describePort(port)}`
    yield* describeChanges(plan.update(new Map([[service, rulesOf(ports, node)]])), options)
  }
}

const rulesOf = (ports: readonly ServicePortState[], node: OwnNode): readonly PortRules[] =>
  ports.map(port => portRules(port, node))

function describePort(port: ServicePortState): string {
  const { cluster, local, hasAny } = port.endpoints
  const counts = [
    `${port.allEndpoints.length} endpoints`,
    `${cluster.length} usable under policy Cluster`,
    `${local.length} under Local`,
  ]
  const fate = hasAny ? '' : ': refused'
  return `${servicePortKey(port)} at ${port.clusterIP}: ${counts.join(', ')}${fate}`
}

function* describeChanges(changes: Changes, { table }: LayoutOptions): Generator<string> {
  const none = { ...changes, chains: [], now: [], later: [], unusedChains: [] }
  yield* lines(renderNow(table, { ...none, chains: changes.chains }))
  for (const change of changes.now) {
    const [command = ''] = lines(renderNow(table, { ...none, now: [change] })).slice(-1)
    yield `${command} # ${reasons[change.container]}`
  }
}

const lines = (text: string): readonly string[] => text.split('\n').filter(line => line !== '')

/**
 * What must change for a table that holds this to be right; undefined: it is not there in this form. Chains that no verdict
 * names any more are not told: they do nothing, and the next start removes them. Pure.
 */
export async function diffTable(
  { options, layout, node, serviceCIDRs }: DescribeOptions,
  states: ServiceStates,
  found: Recovered | undefined,
): Promise<readonly Difference[]> {
  const place = tableText(options.table)
  if (found === undefined) {
    return [{ place, wanted: `the whole table, with ${layout.marker}`, found: undefined }]
  }
  const rules = new Map([unclaimedRules(serviceCIDRs)])
  for (const [key, ports] of states) rules.set(key, rulesOf(ports, node))
  const { changes } = await NftPlan.adopt(rules, found)
  return [
    ...changes.chains.map(chain => ({ place, wanted: `chain ${chain}`, found: undefined })),
    ...[...changes.now, ...changes.later].map(change => elementDifference(place, change)),
  ]
}

const elementDifference = (
  place: string,
  { container, key, before, after }: ElementChange,
): Difference => ({
  place: `${place} ${container}`,
  wanted: elementText(key, after),
  found: elementText(key, before),
})

const elementText = (key: string, value: string | undefined): string | undefined =>
  value === undefined ? undefined : value === '' ? key : `${key} : ${value}`
