import { createHash } from 'node:crypto'
import type { IpFamily } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import type { Protocol } from '#net/protocol.ts'
import type { LocalDetector } from '../local-detector.ts'
import { affinityDeclarations, recallingRule } from './affinity.ts'
import { baseChain, type Chain } from './chain.ts'
import { endpointsOf } from './element.ts'
import { localhostChains, loopbackOf, toLoopback } from './localhost.ts'
import {
  DROP_CHAIN,
  MASQUERADE_CHAIN,
  MASQUERADE_NODE_CHAIN,
  protocolName,
  REJECT_CHAIN,
  STICKY_CHAIN,
} from './name.ts'
import { exceptPods, fromPods } from './pods.ts'
import { prefixTexts } from './prefixes.ts'
import { balancedProtocols } from './render.ts'
import { nftFamily, type Table, tableText } from './table.ts'
import { countingRules, originalNodePort, originalVip } from './traffic.ts'
import { unclaimedRule } from './unclaimed.ts'

/** What the fixed part of a table depends on. All prefixes are of its family. */
export type LayoutOptions = {
  readonly table: Table
  /** What pods send; undefined: nobody knows. */
  readonly detector: LocalDetector | undefined
  readonly masqueradeAll: boolean
  /** Node ports answer on local addresses in these; on all when there is none. */
  readonly nodePortAddresses: readonly IpPrefix[]
  /** Node ports answer on loopback as well, to this node's own processes. */
  readonly localhostNodePorts: boolean
  /** Drop forwarded TCP segments that conntrack does not know what to do with. */
  readonly dropInvalid: boolean
}

/** The fixed part: maps, sets, base chains and their rules. */
export type Layout = {
  /** Commands that make it where there is no such table. */
  readonly text: string
  /**
   * The name of an empty chain in it. A table that has this chain has this layout, so it can be kept. It is made last, so
   * rules with a higher handle are somebody else's.
   */
  readonly marker: string
  /** How many rules each chain has: fewer are there if somebody flushed it. */
  readonly rules: ReadonlyMap<string, number>
}

/** For connections that come from inside the cluster as far as this node can tell: of pods, and its own. */
const INSIDE_CHAIN = 'services-inside'
/** They ask the maps of their own first. */
const INSIDE_SUFFIXES = ['-inside', '']

/** The fixed part of a family's table. Pure: equal options give equal text. README.md has the packet's way through it. */
export function renderLayout(options: LayoutOptions): Layout {
  const chains = [...regularChains(options), ...baseChains(options)]
  const body = [...declarations(options), ...chains.flatMap(chainText)]
  const marker = `layout-${createHash('sha256').update(body.join('\n')).digest('hex').slice(0, 16)}`
  const text = [
    `table ${tableText(options.table)} {`,
    ...body,
    '}',
    // In the block chains would come before rules.
    `add chain ${tableText(options.table)} ${marker}`,
    '',
  ]
  return {
    marker,
    text: text.join('\n'),
    rules: new Map(chains.map(({ name, rules }) => [name, rules.length])),
  }
}

function chainText({ name, hook, rules }: Chain): readonly string[] {
  return [`chain ${name} {`, ...(hook === undefined ? [] : [hook]), ...rules, '}']
}

function declarations({ table }: LayoutOptions): readonly string[] {
  const ip = nftFamily(table.family)
  const address = table.family === 4 ? 'ipv4_addr' : 'ipv6_addr'
  const vip = `${ip} daddr . meta l4proto . th dport`
  const nodePort = 'meta l4proto . th dport'
  return [
    `map vips { typeof ${vip} : meta priority; counter; }`,
    `map vips-inside { typeof ${vip} : meta priority; counter; }`,
    `map nodeports { typeof ${nodePort} : meta priority; }`,
    `map nodeports-inside { typeof ${nodePort} : meta priority; }`,
    'map lb { typeof meta priority : verdict; }',
    'map spread { typeof meta priority : verdict; }',
    'map remember { typeof meta priority : verdict; }',
    `set sticky-endpoints { typeof meta priority . ${ip} daddr . th dport; }`,
    ...balancedProtocols.flatMap(protocol => protocolMaps(table.family, protocol)),
    `set restricted { typeof ${vip}; }`,
    `set source-ranges { typeof ${vip} . ${ip} saddr; flags interval; }`,
    `set cluster-ips { type ${address}; }`,
    `set service-cidrs { type ${address}; flags interval; }`,
    `set hairpins { type ${address} . ${address}; }`,
    // Where node ports were reached: after the DNAT nothing else tells that the original destination was local.
    `set node-addresses { type ${address}; size 65536; flags dynamic; }`,
    `map masquerade-vips { typeof ${vip} : verdict; }`,
    `map masquerade-nodeports { typeof ${nodePort} : verdict; }`,
    `set traffic { typeof ${vip}; counter; }`,
    `set traffic-nodeports { typeof ${nodePort}; counter; }`,
  ]
}

/**
 * Maps of each protocol: nft 1.0.6 refuses later rules that name a map with a `th` port ("conflicting protocols").
 * numgen gives the slot its type; the number does not matter.
 */
function protocolMaps(family: IpFamily, protocol: Protocol): readonly string[] {
  const endpoint = `${nftFamily(family)} daddr . ${protocolName(protocol)} dport`
  return [
    `map ${endpointsOf(protocol)} { typeof meta priority . numgen random mod 65536 : ${endpoint}; }`,
    ...affinityDeclarations(family, protocol),
  ]
}

function regularChains(options: LayoutOptions): readonly Chain[] {
  return [
    {
      // ICMP errors are rate-limited by the kernel, resets are not: a client must not wait for its time-out.
      name: REJECT_CHAIN,
      rules: ['meta l4proto tcp reject with tcp reset', 'reject'],
    },
    { name: DROP_CHAIN, rules: ['drop'] },
    { name: STICKY_CHAIN, rules: stickyRules(options) },
    { name: 'services', rules: dispatch(options, ['']) },
    { name: INSIDE_CHAIN, rules: dispatch(options, INSIDE_SUFFIXES) },
    { name: 'masquerade-cluster-ip', rules: clusterIPMasquerade(options) },
    { name: MASQUERADE_CHAIN, rules: ['masquerade fully-random'] },
    {
      name: MASQUERADE_NODE_CHAIN,
      rules: [
        ...exceptPods(options.detector, options.table.family),
        'fib saddr type local masquerade fully-random',
      ],
    },
    { name: 'masquerade-services', rules: masqueradeRules(options) },
    { name: 'count', rules: countingRules(options.table.family) },
  ]
}

/** Leads a connection to the verdict of its route, found in the first of the maps with these suffixes that has it. */
function dispatch(options: LayoutOptions, suffixes: readonly string[]): readonly string[] {
  const ip = nftFamily(options.table.family)
  const vip = `${ip} daddr . meta l4proto . th dport`
  return [
    // Asked twice, since the two look-ups can fall on either side of a transaction that lifts the restriction.
    `${vip} @restricted ${vip} . ${ip} saddr != @source-ranges ${vip} @restricted goto ${DROP_CHAIN}`,
    ...suffixes.map(suffix => follow(vip, `vips${suffix}`)),
    `${ip} daddr @cluster-ips goto ${REJECT_CHAIN}`,
    ...nodePortRules(options, nodePortMatch(options), suffixes),
  ]
}

const nodePortRules = (
  { table }: LayoutOptions,
  match: string,
  suffixes: readonly string[],
): readonly string[] =>
  suffixes.map(suffix => {
    const note = `add @node-addresses { ${nftFamily(table.family)} daddr } `
    return `${match} ${follow('meta l4proto . th dport', `nodeports${suffix}`, note)}`
  })

const follow = (key: string, map: string, alsoDo = ''): string =>
  `meta priority set ${key} map @${map} ${alsoDo}meta priority vmap @lb`

const stickyRules = ({ table: { family } }: LayoutOptions): readonly string[] => [
  ...balancedProtocols.map(protocol => recallingRule(family, protocol)),
  'meta priority vmap @spread',
]

function masqueradeRules({ table: { family } }: LayoutOptions): readonly string[] {
  const ip = nftFamily(family)
  return [
    `${ip} saddr . ${ip} daddr @hairpins masquerade fully-random`,
    `ct original ${ip} daddr @cluster-ips goto masquerade-cluster-ip`,
    `${originalVip(family)} vmap @masquerade-vips`,
    `${originalNodePort(family)} vmap @masquerade-nodeports`,
  ]
}

function baseChains(options: LayoutOptions): readonly Chain[] {
  const { table, detector, localhostNodePorts, dropInvalid } = options
  const { family } = table
  // The id is still in the priority: nothing but a nat chain lies between. But a local process may have set a priority
  // that looks like one (SO_PRIORITY, IP_TOS), so the endpoint must be one of that id.
  const remember = `ct state new ct status dnat meta priority . ${nftFamily(family)} daddr . th dport @sticky-endpoints meta priority vmap @remember`
  const count = 'ct status dnat jump count'
  return [
    // Nat chains see the first packet of a connection only: established ones are never looked at again.
    baseChain('prerouting', 'nat hook prerouting priority -100', [
      ...(detector === undefined ? [] : [`${fromPods(detector, family)} goto ${INSIDE_CHAIN}`]),
      'goto services',
    ]),
    baseChain('output', 'nat hook output priority -100', [
      ...(localhostNodePorts ? nodePortRules(options, toLoopback(family), INSIDE_SUFFIXES) : []),
      `goto ${INSIDE_CHAIN}`,
    ]),
    baseChain('postrouting', 'nat hook postrouting priority 100', [
      'ct status dnat jump masquerade-services',
    ]),
    baseChain('affinity-prerouting', 'filter hook prerouting priority -90', [remember]),
    baseChain('affinity-output', 'filter hook output priority -90', [remember]),
    baseChain('forward', 'filter hook forward priority 0', [
      ...(dropInvalid ? ['meta l4proto tcp ct state invalid drop'] : []),
      unclaimedRule(family),
      count,
    ]),
    // What this node sends to itself has been counted on its way out.
    baseChain('count-input', 'filter hook input priority 0', [`iifname != "lo" ${count}`]),
    baseChain('leave', 'filter hook output priority 0', [unclaimedRule(family), count]),
    ...(localhostNodePorts ? localhostChains(family) : []),
  ]
}

function clusterIPMasquerade(options: LayoutOptions): readonly string[] {
  const { table, detector, masqueradeAll } = options
  if (masqueradeAll) return ['masquerade fully-random']
  if (detector === undefined) return []
  return [...exceptPods(detector, table.family), 'masquerade fully-random']
}

function nodePortMatch({ table: { family }, nodePortAddresses }: LayoutOptions): string {
  const ip = nftFamily(family)
  const selected = prefixTexts(nodePortAddresses)
  const among = selected.length === 0 ? '' : `${ip} daddr { ${selected.join(', ')} } `
  return `${among}${ip} daddr != ${loopbackOf(family)} fib daddr type local`
}
