import type { IpFamily } from '#net/ip.ts'
import { formatPrefix, type IpPrefix } from '#net/prefix.ts'
import { type Attachment, attachmentComment, attachmentHash } from '../../attachment.ts'
import type { FamilyPlan, PlannedMapping } from '../plan.ts'
import type { MarkedThing } from './listing.ts'

/*
 * Host ports are elements of maps: a packet costs two look-ups however many there are. Mappings with conditions, and those
 * whose port somebody else's mapping has already, are rules. README: docs/cni/portmap.md.
 *
 * `type`, not `typeof`: nft 1.0.6 refuses later rules that name a map with a `th` port.
 */

/** The table of a family; nothing else uses it. */
export const hostPortTable = (family: IpFamily): string =>
  `${family === 4 ? 'ip' : 'ip6'} nodeplane_hostport`

const TRANSPORT = 'meta l4proto { tcp, udp, sctp }'

/** Everything that does not belong to one attachment. Can be repeated: nothing doubles and no mapping is lost. */
export function renderHostPortTable(family: IpFamily): string {
  const table = hostPortTable(family)
  const ip = family === 4 ? 'ip' : 'ip6'
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr'
  const port = 'inet_proto . inet_service'
  const target = `${address} . inet_service`
  const chains: Readonly<Record<string, readonly string[]>> = {
    mappings: [
      'jump conditional',
      `${TRANSPORT} dnat ${ip} to ${ip} daddr . meta l4proto . th dport map @at-address`,
      `${TRANSPORT} dnat ${ip} to meta l4proto . th dport map @anywhere`,
      'jump later',
    ],
    prerouting: ['fib daddr type local goto mappings'],
    output: ['fib daddr type local goto mappings'],
    // Before the rules of the interface plugin, which let traffic inside the subnet pass.
    postrouting: [
      `ct status dnat ${TRANSPORT} ${ip} daddr . meta l4proto . ct original proto-dst . ${ip} saddr @hidden masquerade`,
    ],
    // route_localnet lets containers send to 127.0.0.0/8 of the host. Before conntrack: no answer has that destination.
    guard: family === 4 ? ['iifname @localnet ip daddr 127.0.0.0/8 drop'] : [],
  }
  return lines([
    `add table ${table}`,
    // An attachment's hash is 128 bits, which is what an IPv6 address has.
    `add set ${table} owners { type ipv6_addr; }`,
    `add map ${table} anywhere { type ${port} : ${target}; }`,
    `add map ${table} at-address { type ${address} . ${port} : ${target}; }`,
    `add set ${table} hidden { type ${address} . ${port} . ${address}; flags interval; }`,
    `add set ${table} localnet { type ifname; }`,
    `add chain ${table} conditional`,
    `add chain ${table} later`,
    `add chain ${table} mappings`,
    `add chain ${table} prerouting { type nat hook prerouting priority -100; }`,
    `add chain ${table} output { type nat hook output priority -100; }`,
    `add chain ${table} postrouting { type nat hook postrouting priority 99; }`,
    `add chain ${table} guard { type filter hook prerouting priority -300; }`,
    ...Object.entries(chains).flatMap(([chain, rules]) => [
      `flush chain ${table} ${chain}`,
      ...rules.map(rule => `add rule ${table} ${chain} ${rule}`),
    ]),
  ])
}

/**
 * What an attachment has in a family's table. The transaction fails when the attachment is in it already, or the table is not
 * there.
 * @param isTaken has another attachment's mapping this key? It goes first as long as it lives.
 * @param localnet the link towards the container, when it may be reached from loopback.
 */
export function renderMappings(
  attachment: Attachment,
  plan: FamilyPlan,
  { isTaken, localnet }: { isTaken: (key: string) => boolean; localnet: string | undefined },
): string {
  const table = hostPortTable(plan.family)
  const comment = `comment "${attachmentComment(attachment)}"`
  const commands = [`create element ${table} owners { ${ownerKey(attachment)} ${comment} }`]
  if (localnet !== undefined) commands.push(`add element ${table} localnet { "${localnet}" }`)
  for (const mapping of plan.mappings) {
    const { map, key } = placeOf(mapping)
    const target = `${mapping.target} . ${mapping.targetPort}`
    if (plan.conditions.length > 0 || isTaken(key)) {
      const chain = plan.conditions.length > 0 ? 'conditional' : 'later'
      commands.push(`add rule ${table} ${chain} ${ruleOf(plan, mapping)} ${comment}`)
    } else {
      commands.push(`create element ${table} ${map} { ${key} ${comment} : ${target} }`)
    }
  }
  const hidden = new Set(plan.mappings.flatMap(mapping => hiddenKeys(plan, mapping)))
  for (const key of hidden) commands.push(`add element ${table} hidden { ${key} ${comment} }`)
  return lines(commands)
}

/** Takes things away again. The transaction fails when one is not there. */
export const renderRemoval = (things: readonly MarkedThing[]): string =>
  lines(
    things.map(({ family, at }) =>
      at.kind === 'rule'
        ? `delete rule ${hostPortTable(family)} ${at.chain} handle ${at.handle}`
        : `delete element ${hostPortTable(family)} ${at.container} { ${at.key} }`,
    ),
  )

/** The attachment's hash, written as the address that has these bits. */
export const ownerKey = (attachment: Attachment): string =>
  (attachmentHash(attachment).match(/.{4}/g) ?? []).join(':')

/** Where a mapping without conditions stands. */
export function placeOf({ protocol, hostIP, hostPort }: PlannedMapping): {
  readonly map: string
  readonly key: string
} {
  const port = `${protocol.toLowerCase()} . ${hostPort}`
  return hostIP === undefined
    ? { map: 'anywhere', key: port }
    : { map: 'at-address', key: `${hostIP} . ${port}` }
}

function ruleOf({ family, conditions }: FamilyPlan, mapping: PlannedMapping): string {
  const { protocol, hostIP, hostPort, target, targetPort } = mapping
  const ip = family === 4 ? 'ip' : 'ip6'
  const words = [
    ...(hostIP === undefined ? [] : [`${ip} daddr ${hostIP}`]),
    `${protocol.toLowerCase()} dport ${hostPort}`,
    ...conditions,
    `dnat to ${family === 4 ? target : `[${target}]`}:${targetPort}`,
  ]
  return words.join(' ')
}

const hiddenKeys = (
  { hidden }: FamilyPlan,
  { target, protocol, hostPort }: PlannedMapping,
): readonly string[] =>
  hidden.map(
    source => `${target} . ${protocol.toLowerCase()} . ${hostPort} . ${sourceText(source)}`,
  )

/** As nft lists it, so that keys can be compared. */
const sourceText = (prefix: IpPrefix): string =>
  prefix.length === (prefix.family === 4 ? 32 : 128) ? prefix.address : formatPrefix(prefix)

const lines = (commands: readonly string[]): string =>
  commands.map(command => `${command}\n`).join('')
