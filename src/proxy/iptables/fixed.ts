import type { IpAddress, IpFamily } from '#net/ip.ts'
import { isLoopback } from '#net/ip.ts'
import { formatPrefix, hostPrefix } from '#net/prefix.ts'
import { counted } from './counter-match.ts'
import { type RuleParts, rule } from './rule.ts'

export const tables = ['filter', 'nat', 'mangle'] as const
export type Table = (typeof tables)[number]

/** A rule of a chain that others have rules in as well: put at the head of it where it is missing. */
export type SharedRule = { readonly table: Table; readonly chain: string; readonly rule: string }

/** Empty; who flushes a table takes it away as well, and that is seen (kube-proxy's name). */
export const CANARY = 'KUBE-PROXY-CANARY'

/** Shared with the kubelet: never emptied, and removed only where no kubelet has been. */
export const GUARD_CHAIN = 'KUBE-FIREWALL'

const isNew = '-m conntrack --ctstate NEW'
const jump = (table: Table, chain: string, parts: RuleParts): SharedRule => ({
  table,
  chain,
  rule: rule(parts),
})
const jumps = (
  table: Table,
  chains: readonly string[],
  { target, comment, matches }: { target: string; comment: string; matches?: readonly string[] },
): readonly SharedRule[] =>
  // The match stands before the comment here, as kube-proxy has it.
  chains.map(chain => ({
    table,
    chain,
    rule: [...(matches ?? []), rule({ comment, target })].join(' '),
  }))

/** How packets come to our chains, in the order in which they are put at the head: the last one stands first. */
export const jumpRules: readonly SharedRule[] = [
  ...jumps('filter', ['INPUT', 'FORWARD'], {
    target: 'KUBE-EXTERNAL-SERVICES',
    comment: 'kubernetes externally-visible service portals',
    matches: [isNew],
  }),
  ...jumps('filter', ['INPUT'], {
    target: 'KUBE-NODEPORTS',
    comment: 'kubernetes health check service ports',
  }),
  ...jumps('filter', ['FORWARD', 'OUTPUT'], {
    target: 'KUBE-SERVICES',
    comment: 'kubernetes service portals',
    matches: [isNew],
  }),
  ...jumps('filter', ['FORWARD'], {
    target: 'KUBE-FORWARD',
    comment: 'kubernetes forwarding rules',
  }),
  ...jumps('filter', ['INPUT', 'OUTPUT', 'FORWARD'], {
    target: 'KUBE-PROXY-FIREWALL',
    comment: 'kubernetes load balancer firewall',
    matches: [isNew],
  }),
  ...jumps('nat', ['OUTPUT', 'PREROUTING'], {
    target: 'KUBE-SERVICES',
    comment: 'kubernetes service portals',
  }),
  ...jumps('nat', ['POSTROUTING'], {
    target: 'KUBE-POSTROUTING',
    comment: 'kubernetes postrouting rules',
  }),
]

/**
 * Keeps others off 127.0.0.0/8, which route_localnet would let them reach. The same rule as the kubelet's.
 * kube-proxy has the chain and its jumps in any case; we have them where node ports answer on localhost.
 */
export const guardRules: readonly SharedRule[] = [
  jump('filter', GUARD_CHAIN, {
    source: '! -s 127.0.0.0/8',
    destination: '-d 127.0.0.0/8',
    comment: 'block incoming localnet connections',
    matches: ['-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT'],
    target: 'DROP',
  }),
  jump('filter', 'INPUT', { target: GUARD_CHAIN }),
  jump('filter', 'OUTPUT', { target: GUARD_CHAIN }),
]

/** The chains that exist in any case, `table chain`. */
export const fixedChains: readonly string[] = [
  'filter KUBE-EXTERNAL-SERVICES',
  'filter KUBE-NODEPORTS',
  'filter KUBE-SERVICES',
  'filter KUBE-FORWARD',
  'filter KUBE-PROXY-FIREWALL',
  `filter ${CANARY}`,
  'nat KUBE-SERVICES',
  'nat KUBE-POSTROUTING',
  'nat KUBE-NODEPORTS',
  'nat KUBE-MARK-MASQ',
  `nat ${CANARY}`,
  `mangle ${CANARY}`,
]

export type FixedOptions = {
  readonly family: IpFamily
  /** 0 to 31. */
  readonly masqueradeBit: number
  /** Is what conntrack calls INVALID to be dropped? (Not where the kernel is liberal about TCP windows.) */
  readonly dropsInvalid: boolean
  readonly hasLocalhostNodePorts: boolean
  /** May rules count into {@link packetCounters}? No when not given. */
  readonly hasCounters?: boolean
}

/** The rules of the chains that do not depend on Services, by `table chain`. */
export function constantChains(options: FixedOptions): ReadonlyMap<string, readonly string[]> {
  const mark = `0x${(2 ** options.masqueradeBit).toString(16)}`
  return new Map([
    ['nat KUBE-MARK-MASQ', [rule({ target: `MARK --set-xmark ${mark}/${mark}` })]],
    [
      'filter KUBE-FORWARD',
      [
        // Segments outside the window are not translated; who gets one answers by a reset and the connection breaks.
        ...(options.dropsInvalid
          ? [rule({ matches: invalidMatches(options), target: 'DROP' })]
          : []),
        rule({
          comment: 'kubernetes forwarding rules',
          matches: [`-m mark --mark ${mark}/${mark}`],
          target: 'ACCEPT',
        }),
        rule({
          comment: 'kubernetes forwarding conntrack rule',
          matches: ['-m conntrack --ctstate RELATED,ESTABLISHED'],
          target: 'ACCEPT',
        }),
      ],
    ],
    [
      'nat KUBE-POSTROUTING',
      [
        rule({ matches: [`-m mark ! --mark ${mark}/${mark}`], target: 'RETURN' }),
        // Cleared, so that a packet that comes by again (through a tunnel) is not taken for marked.
        rule({ target: `MARK --set-xmark ${mark}/0x0` }),
        rule({
          comment: 'kubernetes service traffic requiring SNAT',
          target: 'MASQUERADE --random-fully',
        }),
      ],
    ],
    [`filter ${CANARY}`, []],
    [`nat ${CANARY}`, []],
    [`mangle ${CANARY}`, []],
  ])
}

const invalidMatches = ({ hasCounters }: FixedOptions): readonly string[] => [
  '-m conntrack --ctstate INVALID',
  ...(hasCounters ? [counted('invalid')] : []),
]

/** How packets to this node come to the node ports. */
export type NodePortAddresses = 'all' | readonly IpAddress[]

/** The last rules of nat's KUBE-SERVICES: what no Service has claimed, to the node ports. */
export function nodePortTail(
  addresses: NodePortAddresses,
  { family, hasLocalhostNodePorts }: Pick<FixedOptions, 'family' | 'hasLocalhostNodePorts'>,
): readonly string[] {
  const to = {
    comment: 'kubernetes service nodeports; NOTE: this must be the last rule in this chain',
    target: 'KUBE-NODEPORTS',
  }
  if (addresses !== 'all') {
    return addresses
      .filter(ip => hasLocalhostNodePorts || !isLoopback(ip))
      .map(ip => rule({ ...to, destination: `-d ${formatPrefix(hostPrefix(ip))}` }))
  }
  const loopback = family === 4 ? '127.0.0.0/8' : '::1/128'
  const destination = hasLocalhostNodePorts ? undefined : `! -d ${loopback}`
  return [rule({ ...to, destination, matches: ['-m addrtype --dst-type LOCAL'] })]
}
