import type { IpFamily } from '#net/ip.ts'
import { formatPrefix, hostPrefix } from '#net/prefix.ts'
import { protocolNumbers } from '#net/protocol.ts'
import type { LocalDetector } from '../local-detector.ts'
import { sharedChains, sharedTargets } from '../shared-chains.ts'
import type { Facts } from './plan.ts'
import { type SetKind, setName } from './sets.ts'

/** What the rules of a family are made of, besides the {@link Facts}. */
export type IptablesOptions = {
  readonly family: IpFamily
  /** How pods are told from others; undefined: not at all. */
  readonly detector: LocalDetector | undefined
  readonly masqueradeAll: boolean
  /** The bit of the packet mark that means "masquerade", 0 to 31. */
  readonly masqueradeBit: number
}

export type Table = 'nat' | 'filter'
export const tables: readonly Table[] = ['nat', 'filter']

/** A rule that leads from one of the kernel's chains to one of ours. */
export type Jump = {
  readonly table: Table
  readonly from: string
  readonly to: string
  readonly comment: string
}

/** In the order in which they are put at the head of their chains: the last of a chain comes first. */
export const jumps: readonly Jump[] = [
  ...['OUTPUT', 'PREROUTING'].map(from => ({
    table: 'nat' as const,
    from,
    to: 'KUBE-SERVICES',
    comment: 'kubernetes service portals',
  })),
  {
    table: 'nat',
    from: 'POSTROUTING',
    to: 'KUBE-POSTROUTING',
    comment: 'kubernetes postrouting rules',
  },
  {
    table: 'filter',
    from: 'FORWARD',
    to: 'KUBE-FORWARD',
    comment: 'kubernetes forwarding rules',
  },
  {
    table: 'filter',
    from: 'INPUT',
    to: 'KUBE-NODE-PORT',
    comment: 'kubernetes health check rules',
  },
  ...['INPUT', 'FORWARD'].map(from => ({
    table: 'filter' as const,
    from,
    to: 'KUBE-PROXY-FIREWALL',
    comment: 'kube-proxy firewall rules',
  })),
  {
    table: 'filter',
    from: 'INPUT',
    to: 'KUBE-IPVS-FILTER',
    comment: 'kubernetes ipvs access filter',
  },
  {
    table: 'filter',
    from: 'OUTPUT',
    to: 'KUBE-IPVS-OUT-FILTER',
    comment: 'kubernetes ipvs access filter',
  },
]

/** Has mode iptables the same one? */
export const isSharedJump = ({ table, to }: Jump): boolean => sharedTargets.has(`${table} ${to}`)

/** The rule of a jump as iptables-save prints it, without the command before it. */
export const jumpRule = ({ from, to, comment }: Jump): string =>
  `${from} -m comment --comment "${comment}" -j ${to}`

const chainNames: Readonly<Record<Table, readonly string[]>> = {
  nat: [
    'KUBE-SERVICES',
    'KUBE-LOAD-BALANCER',
    'KUBE-NODE-PORT',
    'KUBE-POSTROUTING',
    'KUBE-MARK-MASQ',
  ],
  filter: [
    'KUBE-FORWARD',
    'KUBE-NODE-PORT',
    'KUBE-PROXY-FIREWALL',
    'KUBE-SOURCE-RANGES-FIREWALL',
    'KUBE-IPVS-FILTER',
    'KUBE-IPVS-OUT-FILTER',
  ],
}

/** The names of a table's chains, or of those that only this mode has. */
export const ownChains = (table: Table, onlyOurs = false): readonly string[] =>
  chainNames[table].filter(chain => !(onlyOurs && sharedChains.has(`${table} ${chain}`)))

/** Rules by chain, without the `-A CHAIN` before each, as iptables-save prints them; a chain that is empty is there. */
export type Chains = Readonly<Record<string, readonly string[]>>

/** The chains of each table. Pure: equal facts give equal rules. */
export function renderChains(options: IptablesOptions, facts: Facts): Record<Table, Chains> {
  return { nat: natChains(options, facts), filter: filterChains(options, facts) }
}

/** A match of a set, and only where it has members: `when('CLUSTER-IP', 'dst,dst')`. */
type When = (set: SetKind, sides: string, then: string, first?: string) => readonly string[]

const whenOf = ({ family }: IptablesOptions, { sets }: Facts): When => {
  return (set, sides, then, first = '') =>
    sets.has(set) ? [`${first}${inSet(set, family, sides)}${then}`] : []
}

const inSet = (set: SetKind, family: IpFamily, sides: string): string =>
  `-m set --match-set ${setName(set, family)} ${sides} `

function natChains(options: IptablesOptions, facts: Facts): Chains {
  const when = whenOf(options, facts)
  const mark = markText(options)
  const nodePorts = (['TCP', 'UDP', 'SCTP'] as const).flatMap(protocol => {
    const suffix = protocol === 'SCTP' ? ('SCTP-HASH' as const) : protocol
    const sides = protocol === 'SCTP' ? 'dst,dst' : 'dst'
    const first = `-p ${protocol.toLowerCase()} `
    return [
      ...when(`NODE-PORT-LOCAL-${suffix}`, sides, '-j RETURN', first),
      ...when(`NODE-PORT-${suffix}`, sides, '-j KUBE-MARK-MASQ', first),
    ]
  })
  return {
    'KUBE-SERVICES': serviceRules(options, facts),
    'KUBE-LOAD-BALANCER': [
      ...when('LOAD-BALANCER-LOCAL', 'dst,dst', '-j RETURN'),
      '-j KUBE-MARK-MASQ',
    ],
    'KUBE-NODE-PORT': nodePorts,
    'KUBE-POSTROUTING': [
      ...when('LOOP-BACK', 'dst,dst,src', '-j MASQUERADE'),
      `-m mark ! --mark ${mark}/${mark} -j RETURN`,
      `-j MARK --set-xmark ${mark}/0x0`,
      `-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully`,
    ],
    'KUBE-MARK-MASQ': [`-j MARK --set-xmark ${mark}/${mark}`],
  }
}

/** Where connections to Services come by before they are balanced; they are accepted so that no other rule claims them. */
function serviceRules(options: IptablesOptions, facts: Facts): readonly string[] {
  const when = whenOf(options, facts)
  const loopback = options.family === 4 ? '127.0.0.0/8' : '::1/128'
  const external = (set: SetKind) => [
    ...when(
      set,
      'dst,dst',
      '-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT',
    ),
    ...when(set, 'dst,dst', '-m addrtype --dst-type LOCAL -j ACCEPT'),
  ]
  return [
    `-s ${loopback} -j RETURN`,
    ...when('LOAD-BALANCER', 'dst,dst', '-j KUBE-LOAD-BALANCER'),
    ...clusterIPRule(options, when),
    ...when('EXTERNAL-IP', 'dst,dst', '-j KUBE-MARK-MASQ'),
    ...external('EXTERNAL-IP'),
    ...external('EXTERNAL-IP-LOCAL'),
    '-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT',
    ...when('CLUSTER-IP', 'dst,dst', '-j ACCEPT'),
    ...when('LOAD-BALANCER', 'dst,dst', '-j ACCEPT'),
  ]
}

function clusterIPRule(
  { masqueradeAll, detector }: IptablesOptions,
  when: When,
): readonly string[] {
  const rule = (sides: string, first?: string) =>
    when('CLUSTER-IP', sides, '-j KUBE-MARK-MASQ', first)
  if (masqueradeAll) return rule('dst,dst')
  // This node's own connections come from the cluster IP, which is an address of a link of its own.
  if (detector === undefined) return rule('src,dst')
  return rule('dst,dst', notFromPods(detector))
}

const notFromPods = (detector: LocalDetector): string =>
  detector.by === 'source'
    ? `! -s ${formatPrefix(detector.prefix)} `
    : `! -i ${detector.name}${detector.isPrefix ? '+' : ''} `

function filterChains(options: IptablesOptions, facts: Facts): Chains {
  const { family } = options
  const when = whenOf(options, facts)
  const mark = markText(options)
  const passing = [
    'LOAD-BALANCER',
    'CLUSTER-IP',
    'EXTERNAL-IP',
    'EXTERNAL-IP-LOCAL',
  ] as const satisfies readonly SetKind[]
  const healthCheck = inSet('HEALTH-CHECK-NODE-PORT', family, 'dst')
  const unreachable = family === 4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable'
  return {
    'KUBE-FORWARD': [
      `-m comment --comment "kubernetes forwarding rules" -m mark --mark ${mark}/${mark} -j ACCEPT`,
      '-m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    ],
    'KUBE-NODE-PORT': [
      `-p tcp -m comment --comment "Kubernetes health check node port" ${healthCheck}-j ACCEPT`,
    ],
    'KUBE-PROXY-FIREWALL': when('LOAD-BALANCER-FW', 'dst,dst', '-j KUBE-SOURCE-RANGES-FIREWALL'),
    'KUBE-SOURCE-RANGES-FIREWALL': [
      ...when('LOAD-BALANCER-SOURCE-CIDR', 'dst,dst,src', '-j RETURN'),
      ...when('LOAD-BALANCER-SOURCE-IP', 'dst,dst,src', '-j RETURN'),
      '-j DROP',
    ],
    // The host's own ports must not be reachable through addresses of Services.
    'KUBE-IPVS-FILTER': [
      ...passing.map(set => `${inSet(set, family, 'dst,dst')}-j RETURN`),
      `-p tcp ${healthCheck}-j RETURN`,
      `-m conntrack --ctstate NEW ${inSet('IPVS-IPS', family, 'dst')}-j REJECT --reject-with ${unreachable}`,
    ],
    'KUBE-IPVS-OUT-FILTER': facts.barred.map(
      ({ protocol, address, port }) =>
        `-s ${formatPrefix(hostPrefix(address))} -m ipvs --vproto ${protocolNumbers[protocol]} --vaddr ${address} --vport ${port} -j DROP`,
    ),
  }
}

const markText = ({ masqueradeBit }: IptablesOptions): string =>
  `0x${(2 ** masqueradeBit).toString(16)}`
