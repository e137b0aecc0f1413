import { ExecError } from '#linux/exec.ts'
import { type Iptables, IptablesError, installedIptables } from '#linux/iptables.ts'
import { listNftChains, listNftRules, type NftChain } from '#linux/nft-chains.ts'
import { type IpFamily, ipFamilies } from '#net/ip.ts'
import type { IptablesFacts, NftForward, NodeFacts } from './facts.ts'

/** Rules that others made; a program that is not there has none. */
export async function collectFirewalls(
  signal: AbortSignal,
): Promise<Pick<NodeFacts, 'iptables' | 'nftTables' | 'nftForward'>> {
  const [iptables, chains] = await Promise.all([
    collectIptables(signal),
    orNone(() => listNftChains(signal)),
  ])
  const nftTables = [...new Set(chains.map(({ family, table }) => `${family} ${table}`))]
  return { iptables, nftTables, nftForward: await withRules(chains, signal) }
}

async function orNone<T>(list: () => Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await list()
  } catch (error) {
    if (error instanceof ExecError || error instanceof IptablesError) return []
    throw error
  }
}

/** Chains that are ours, kube-proxy's, or iptables' own, which is read by its program. */
const isKnown = ({ family, table, name }: NftChain): boolean =>
  /^(nodeplane|kube-proxy$)/.test(table) ||
  (/^ip6?$/.test(family) && table === 'filter' && name === 'FORWARD')

/** Chains of others in the way of forwarded packets. A table that vanished meanwhile, or cannot be read, is passed over. */
async function withRules(
  chains: readonly NftChain[],
  signal: AbortSignal,
): Promise<readonly NftForward[]> {
  const found = chains
    .filter(({ hook, family }) => hook === 'forward' && /^(ip|ip6|inet)$/.test(family))
    .filter(chain => !isKnown(chain))
    .map(chain => orNone(async () => [{ ...chain, rules: await listNftRules(chain, signal) }]))
  return (await Promise.all(found)).flat()
}

async function collectIptables(signal: AbortSignal): Promise<readonly IptablesFacts[]> {
  const families = ipFamilies.map(async family => {
    const installed = await installedIptables(family)
    const facts = installed.map(iptables =>
      orNone(async () => [await factsOf(iptables, family, signal)]),
    )
    return (await Promise.all(facts)).flat()
  })
  return (await Promise.all(families)).flat()
}

const factsOf = async (
  iptables: Iptables,
  family: IpFamily,
  signal: AbortSignal,
): Promise<IptablesFacts> => ({
  family,
  flavour: iptables.flavour,
  ...parseIptables(await iptables.save(signal)),
})

/** What the checks need of iptables-save's output, which can have a hundred thousand lines. */
export function parseIptables(text: string): Omit<IptablesFacts, 'family' | 'flavour'> {
  const chains = new Set<string>()
  const filter = new Map<string, string[]>()
  let table = ''
  let forwardPolicy = 'ACCEPT'
  let nodeLocalDnsRule: string | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1)
    const [, chain, policy = ''] = /^:(\S+) (\S+)/.exec(line) ?? []
    if (chain !== undefined) chains.add(`${table} ${chain}`)
    if (table === 'filter' && chain === 'FORWARD') forwardPolicy = policy
    if (!line.startsWith('-A ')) continue
    if (line.includes('NodeLocal DNS Cache')) nodeLocalDnsRule ??= line
    if (table === 'filter') addRule(filter, line)
  }
  return { chains, forwardPolicy, forwardRules: reachableFrom('FORWARD', filter), nodeLocalDnsRule }
}

function addRule(rules: Map<string, string[]>, line: string): void {
  const [, chain = '', rule = ''] = /^-A (\S+) ?(.*)$/.exec(line) ?? []
  const list = rules.get(chain)
  if (list === undefined) rules.set(chain, [rule])
  else list.push(rule)
}

/** The chains by which a packet passes that enters `start`, with their rules. */
function reachableFrom(
  start: string,
  rules: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>()
  const open = [start]
  for (let chain = open.pop(); chain !== undefined; chain = open.pop()) {
    const list = rules.get(chain)
    if (list === undefined || found.has(chain)) continue
    found.set(chain, list)
    for (const rule of list) open.push(...(/(?:-j|-g) (\S+)/.exec(rule)?.slice(1) ?? []))
  }
  return found
}
