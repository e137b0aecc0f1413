import type { IpAddress, IpFamily } from '#net/ip.ts'
import { formatPrefix, hostPrefix } from '#net/prefix.ts'
import type { Difference, ServiceStates } from '../backend.ts'
import { ruleDifferences } from '../rule-differences.ts'
import { plansOf } from './backend.ts'
import { DUMMY_LINK } from './dummy-link.ts'
import {
  type IptablesOptions,
  jumpRule,
  jumps,
  renderChains,
  type Table,
  tables,
} from './iptables-render.ts'
import { type Changes, type Facts, IpvsPlan, type KernelState } from './plan.ts'
import { type PlanContext } from './port-plan.ts'
import {
  type DestinationId,
  destinationKey,
  ServerFlag,
  type ServerId,
  type VirtualServer,
} from './server.ts'
import { entryText, type Member, setKinds, setName, setTypes } from './sets.ts'

export type DescribeOptions = {
  readonly rules: IptablesOptions
  readonly context: PlanContext
}

/** What the kernel has of one family. */
export type Found = {
  readonly kernel: KernelState
  /** Lines of iptables-save. */
  readonly rules: ReadonlyMap<Table, readonly string[]>
}

/**
 * What the kernel is to hold, as commands of ip, ipset and ipvsadm, Service by Service with a comment, and a script for
 * `iptables-restore --noflush`. Pure.
 */
export function* describeIpvs(
  { rules, context }: DescribeOptions,
  states: ServiceStates,
): Generator<string> {
  const { family } = rules
  yield '# The link whose addresses are those of Services, and the sets that rules look into.'
  yield `ip link add ${DUMMY_LINK} type dummy`
  for (const kind of setKinds) {
    const type = setTypes[kind]
    const of = type === 'bitmap:port' ? 'range 0-65535' : `family inet${family === 6 ? '6' : ''}`
    yield `ipset create -exist ${setName(kind, family)} ${type} ${of}`
  }
  const plan = new IpvsPlan()
  for (const [service, plans] of plansOf(states, context)) {
    if (plans.length === 0) continue
    yield `# ${plans.map(({ key }) => key.replace(/[^ -~]/g, '?')).join(', ')}`
    yield* describeChanges(plan.update([[service, plans]]), family)
  }
  yield `# iptables${family === 6 ? ' (IPv6)' : ''}: what sets are looked into for; masquerade, source ranges, refusal`
  yield* describeRules(rules, factsOf(plan))
}

function* describeChanges(
  { members, servers, addresses }: Changes,
  family: IpFamily,
): Generator<string> {
  for (const member of members.add) yield `ipset add ${memberText(member, family)}`
  for (const { server, isPut, add } of servers) {
    if (isPut) yield `ipvsadm -A ${serverText(server)}`
    for (const to of add) yield `ipvsadm -a ${destinationText(server, to)}`
  }
  for (const ip of addresses.add) yield `ip address add ${addressText(ip)}`
}

function* describeRules(options: IptablesOptions, facts: Facts): Generator<string> {
  const chains = renderChains(options, facts)
  for (const table of tables) {
    yield `*${table}`
    for (const chain of Object.keys(chains[table])) yield `:${chain} - [0:0]`
    for (const [chain, rules] of Object.entries(chains[table])) {
      for (const rule of rules) yield `-A ${chain} ${rule}`
    }
    for (const jump of jumps.filter(jump => jump.table === table)) yield `-I ${jumpRule(jump)}`
    yield 'COMMIT'
  }
}

/** What must change for a kernel that holds this to be right. */
export async function diffIpvs(
  { rules, context }: DescribeOptions,
  states: ServiceStates,
  read: (isWanted: (server: string) => boolean) => Promise<Found>,
): Promise<readonly Difference[]> {
  const plan = new IpvsPlan()
  plan.update(plansOf(states, context))
  const found = await read(key => plan.hasServer(key))
  const changes = await plan.changesFrom(found.kernel)
  return [
    ...serverDifferences(changes, found.kernel),
    ...changes.addresses.add.map(ip => missing(`link ${DUMMY_LINK}`, ip)),
    ...changes.addresses.remove.map(ip => extra(`link ${DUMMY_LINK}`, ip)),
    ...changes.members.add.map(member => missing('ipset', memberText(member, rules.family))),
    ...changes.members.remove.map(member => extra('ipset', memberText(member, rules.family))),
    ...rulesDifferences(rules, factsOf(plan), found.rules),
  ]
}

const SERVERS = 'ipvs'
const missing = (place: string, wanted: string): Difference => ({
  place,
  wanted,
  found: undefined,
})
const extra = (place: string, found: string): Difference => ({ place, wanted: undefined, found })

function serverDifferences(
  { servers, removedServers }: Changes,
  kernel: KernelState,
): readonly Difference[] {
  const all = [...kernel.servers.values()]
  const present = ({ protocol, address, port }: ServerId) =>
    all.find(one => one.protocol === protocol && one.address === address && one.port === port)
  const removed = removedServers
    .map(server => present(server))
    .filter(server => server !== undefined)
  return [
    ...servers.flatMap(({ server, isPut, add, remove }) => {
      const before = present(server)
      const change = { wanted: serverText(server), found: before && serverText(before) }
      return [
        ...(isPut ? [{ place: SERVERS, ...change }] : []),
        ...add.map(to => missing(SERVERS, destinationText(server, to))),
        ...remove.map(to => extra(SERVERS, destinationText(server, to))),
      ]
    }),
    ...removed.map(server => extra(SERVERS, serverText(server))),
  ]
}

function rulesDifferences(
  options: IptablesOptions,
  facts: Facts,
  found: Found['rules'],
): readonly Difference[] {
  const chains = renderChains(options, facts)
  const program = options.family === 6 ? 'ip6tables' : 'iptables'
  return tables.flatMap(table => {
    const lines = found.get(table) ?? []
    const present = new Set(lines)
    const inChains = Object.entries(chains[table]).flatMap(([chain, rules]) => {
      const isThere = lines.some(line => line.startsWith(`:${chain} `))
      const start = `-A ${chain} `
      const own = lines.filter(line => line.startsWith(start)).map(line => line.slice(start.length))
      return ruleDifferences(`${program} ${table} ${chain}`, rules, isThere ? own : undefined)
    })
    const lost = jumps.filter(jump => jump.table === table && !present.has(`-A ${jumpRule(jump)}`))
    return [
      ...inChains,
      ...lost.map(jump => missing(`${program} ${table}`, `-A ${jumpRule(jump)}`)),
    ]
  })
}

/** A plan that nobody has asked before knows what its rules depend on. */
const factsOf = (plan: IpvsPlan): Facts => plan.takeFacts() ?? { sets: new Set(), barred: [] }

const memberText = ({ set, entry }: Member, family: IpFamily): string =>
  `${setName(set, family)} ${entryText(entry)}`

const addressText = (ip: IpAddress): string => `${formatPrefix(hostPrefix(ip))} dev ${DUMMY_LINK}`

/** ipvsadm's options for the protocols. */
const protocolOptions = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service' } as const

const idText = ({ protocol, ...at }: ServerId): string =>
  `${protocolOptions[protocol]} ${destinationKey(at)}`

/** As ipvsadm prints it. */
function serverText(server: VirtualServer): string {
  const { scheduler, flags, timeoutSeconds } = server
  const isPersistent = (flags & ServerFlag.persistent) !== 0
  return [
    `${idText(server)} -s ${scheduler}`,
    ...(isPersistent ? [`-p ${timeoutSeconds}`] : []),
    ...((flags & ServerFlag.scheduler2) !== 0 ? ['-b mh-port'] : []),
  ].join(' ')
}

const destinationText = (server: ServerId, to: DestinationId): string =>
  `${idText(server)} -r ${destinationKey(to)} -m -w 1`
