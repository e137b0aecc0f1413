import { createHash } from 'node:crypto'
import { firstAddress, formatPrefix, type IpPrefix, prefixContains } from '#net/prefix.ts'
import { endpointsOf } from './element.ts'
import { DROP_CHAIN, protocolName, REJECT_CHAIN } from './name.ts'
import { balancedProtocols, nftFamily, type Table, tableText } from './render.ts'

/** What the fixed part of a table depends on. All prefixes are of its family. */
export type LayoutOptions = {
  readonly table: Table
  /** Where pods live; undefined: there is no detector. */
  readonly clusterCIDR: IpPrefix | undefined
  readonly masqueradeAll: boolean
  /** Node ports answer on local addresses in these; on all when there is none. */
  readonly nodePortAddresses: readonly IpPrefix[]
}

/** The fixed part: maps, sets, base chains and their rules. */
export type Layout = {
  /** Commands that make it where there is no such table. */
  readonly text: string
  /** The name of an empty chain in it. A table that has this chain has this layout, so it can be kept. */
  readonly marker: string
  /** How many rules each chain has: fewer are there if somebody flushed it. */
  readonly rules: ReadonlyMap<string, number>
}

type Chain = { readonly name: string; readonly hook?: string; readonly rules: readonly string[] }

/** The fixed part of a family's table. Pure: equal options give equal text. README.md has the packet's way through it. */
export function renderLayout(options: LayoutOptions): Layout {
  const chains = [...regularChains(options), ...BASE_CHAINS]
  const body = [...declarations(options), ...chains.flatMap(chainText)]
  const marker = `layout-${createHash('sha256').update(body.join('\n')).digest('hex').slice(0, 16)}`
  const text = [
    `table ${tableText(options.table)} {`,
    ...body,
    ...chainText({ name: marker, rules: [] }),
    '}',
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
  return [
    `map vips { typeof ${ip} daddr . meta l4proto . th dport : meta priority; counter; }`,
    'map nodeports { typeof meta l4proto . th dport : meta priority; }',
    'map lb { typeof meta priority : verdict; }',
    // One map for each protocol: nft 1.0.6 refuses later rules that name a map with a `th` port ("conflicting
    // protocols"). numgen gives the slot its type; the number does not matter.
    ...balancedProtocols.map(
      protocol =>
        `map ${endpointsOf(protocol)} { typeof meta priority . numgen random mod 65536 : ${ip} daddr . ${protocolName(protocol)} dport; }`,
    ),
    `set cluster-ips { type ${address}; }`,
    `set hairpins { type ${address} . ${address}; }`,
    'set masquerade-nodeports { typeof meta l4proto . th dport; }',
  ]
}

function regularChains(options: LayoutOptions): readonly Chain[] {
  const ip = nftFamily(options.table.family)
  const original = 'meta l4proto { tcp, udp, sctp } meta l4proto . ct original proto-dst'
  return [
    {
      // ICMP errors are rate-limited by the kernel, resets are not: a client must not wait for its time-out.
      name: REJECT_CHAIN,
      rules: ['meta l4proto tcp reject with tcp reset', 'reject'],
    },
    { name: DROP_CHAIN, rules: ['drop'] },
    {
      name: 'services',
      rules: [
        `meta priority set ${ip} daddr . meta l4proto . th dport map @vips meta priority vmap @lb`,
        `${ip} daddr @cluster-ips goto ${REJECT_CHAIN}`,
        `${nodePortMatch(options)} meta priority set meta l4proto . th dport map @nodeports meta priority vmap @lb`,
      ],
    },
    { name: 'masquerade-cluster-ip', rules: clusterIPMasquerade(options) },
    {
      name: 'masquerade-services',
      rules: [
        `${ip} saddr . ${ip} daddr @hairpins masquerade fully-random`,
        `ct original ${ip} daddr @cluster-ips goto masquerade-cluster-ip`,
        `${original} @masquerade-nodeports masquerade fully-random`,
      ],
    },
  ]
}

/** Nat chains see the first packet of a connection only: established ones are never looked at again. */
const BASE_CHAINS: readonly Chain[] = [
  {
    name: 'prerouting',
    hook: 'type nat hook prerouting priority -100; policy accept;',
    rules: ['jump services'],
  },
  {
    name: 'output',
    hook: 'type nat hook output priority -100; policy accept;',
    rules: ['jump services'],
  },
  {
    name: 'postrouting',
    hook: 'type nat hook postrouting priority 100; policy accept;',
    rules: ['ct status dnat jump masquerade-services'],
  },
]

function clusterIPMasquerade({
  table,
  clusterCIDR,
  masqueradeAll,
}: LayoutOptions): readonly string[] {
  if (masqueradeAll) return ['masquerade fully-random']
  if (clusterCIDR === undefined) return []
  return [`${nftFamily(table.family)} saddr != ${network(clusterCIDR)} masquerade fully-random`]
}

function nodePortMatch({ table, nodePortAddresses }: LayoutOptions): string {
  const ip = nftFamily(table.family)
  const loopback = table.family === 4 ? '127.0.0.0/8' : '::1'
  const selected = withoutContained(nodePortAddresses).map(network)
  const among = selected.length === 0 ? '' : `${ip} daddr { ${selected.join(', ')} } `
  return `${among}${ip} daddr != ${loopback} fib daddr type local`
}

const network = (prefix: IpPrefix): string =>
  formatPrefix({ ...prefix, address: firstAddress(prefix) })

/** nft refuses overlapping prefixes in one set. A prefix of length 0 matches all, and nft has no text for it in a set. */
function withoutContained(prefixes: readonly IpPrefix[]): readonly IpPrefix[] {
  if (prefixes.some(({ length }) => length === 0)) return []
  return prefixes.filter(
    (prefix, index) =>
      !prefixes.some(
        (other, place) =>
          place !== index &&
          prefixContains(other, prefix.address) &&
          (other.length < prefix.length || (other.length === prefix.length && place < index)),
      ),
  )
}
