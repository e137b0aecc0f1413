import type { IpFamily } from '#net/ip.ts'
import type { Difference } from '../backend.ts'
import type { ServicePortState } from '../change-tracker.ts'
import { ruleDifferences } from '../rule-differences.ts'
import { servicePortKey } from '../service-port.ts'
import { GUARD_CHAIN, tables } from './fixed.ts'
import type { PortChainKind } from './names.ts'
import { isOwnChain } from './removal.ts'
import { missingShared } from './render.ts'
import type { Saved } from './saved.ts'
import type { WantedRules } from './wanted.ts'

/** What the chains of a service port are for. */
const portReasons: Readonly<Record<PortChainKind, string>> = {
  SVC: 'one of the endpoints of policy Cluster',
  SVL: 'one of the endpoints of policy Local',
  EXT: 'connections from outside, by its external policy',
  FW: 'the sources that loadBalancerSourceRanges let in',
  SEP: 'one endpoint',
}

/** What the other chains are for. */
const reasons: Readonly<Record<string, string>> = {
  'filter KUBE-EXTERNAL-SERVICES': 'external addresses and node ports that nobody serves',
  'filter KUBE-NODEPORTS': 'health checks of node ports are let in',
  'filter KUBE-SERVICES': 'cluster IPs that nobody serves',
  'filter KUBE-FORWARD': 'connections to Services are let through',
  'filter KUBE-PROXY-FIREWALL': 'what no source range let in is dropped',
  'nat KUBE-SERVICES': 'which address and port belong to which service port',
  'nat KUBE-NODEPORTS': 'which node port belongs to which service port',
  'nat KUBE-MARK-MASQ': 'marks connections whose source is to be replaced',
  'nat KUBE-POSTROUTING': 'replaces the source of marked connections',
}

function reasonOf(chain: string, port: ServicePortState | undefined): string {
  if (port === undefined) return reasons[chain] ?? 'empty: who flushes the table takes it away'
  const kind = /^nat KUBE-([A-Z]+)-/.exec(chain)?.[1] as PortChainKind
  // Objects from elsewhere than an API server may hold any text.
  return `${servicePortKey(port).replace(/[^ -~]/g, '?')}: ${portReasons[kind]}`
}

/** The rules as a script for `iptables-restore --noflush`, with a comment for each chain. Pure. */
export function* describeRules(
  { chains, ports, shared }: WantedRules,
  family: IpFamily,
): Generator<string> {
  for (const table of tables) {
    const own = [...chains].filter(([chain]) => chain.startsWith(`${table} `))
    const rules = shared.filter(rule => rule.table === table)
    yield `# ${programOf(family)}: table ${table}`
    yield `*${table}`
    for (const [chain] of own) yield `:${nameOf(chain)} - [0:0]`
    // On a machine with a kubelet it is there, and is not emptied by the proxy.
    if (rules.some(({ chain }) => chain === GUARD_CHAIN)) yield `:${GUARD_CHAIN} - [0:0]`
    for (const [chain, rules] of own) {
      yield `# ${nameOf(chain)}: ${reasonOf(chain, ports.get(chain))}`
      for (const rule of rules) yield `-A ${nameOf(chain)} ${rule}`
    }
    for (const { chain, rule } of rules) yield `-I ${chain} ${rule}`
    yield 'COMMIT'
  }
}

/** What must change for tables that hold this to be right; the rules of all chains are among `shared`. Pure. */
export function diffRules(
  { chains, shared }: WantedRules,
  saved: Saved,
  family: IpFamily,
): readonly Difference[] {
  const place = (chain: string) => `${programOf(family)} ${chain}`
  const inChains = [...chains].flatMap(([chain, rules]) => {
    const found = saved.chains.has(chain) ? (saved.shared.get(chain) ?? []) : undefined
    return ruleDifferences(place(chain), rules, found)
  })
  const unwanted = [...saved.chains.keys()].filter(chain => isOwnChain(chain) && !chains.has(chain))
  const missing = missingShared(shared, saved).rules
  return [
    ...inChains,
    ...unwanted.map(chain => ({ place: place(chain), wanted: undefined, found: 'the chain' })),
    ...missing.map(({ table, chain, rule }) => ({
      place: place(`${table} ${chain}`),
      wanted: rule,
      found: undefined,
    })),
  ]
}

const programOf = (family: IpFamily): string => (family === 4 ? 'iptables' : 'ip6tables')
const nameOf = (chain: string): string => chain.slice(chain.indexOf(' ') + 1)
