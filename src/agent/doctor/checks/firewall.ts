import { formatPrefix, type IpPrefix, parsePrefix, prefixesOverlap } from '#net/prefix.ts'
import type { IptablesFacts, NftForward } from '../facts.ts'
import { type Check, type Finding, fail } from '../finding.ts'
import { podBridges, podFamilies, podSubnets } from '../pod-links.ts'

/** What identifies pods' packets on this node. */
type Pods = { readonly bridges: readonly string[]; readonly subnets: readonly IpPrefix[] }

/** Firewalls that people did not make for pods, and drop what is forwarded. */
export const firewallCheck: Check = {
  id: 'firewall',
  ok: 'no firewall drops what is forwarded for pods',
  examine: facts => {
    const pods: Pods = {
      bridges: podBridges(facts).map(({ name }) => name),
      subnets: podSubnets(facts),
    }
    const families = podFamilies(facts)
    return [
      ...facts.iptables
        .filter(({ family }) => families.has(family))
        .flatMap(iptables => iptablesFinding(iptables, pods)),
      ...facts.nftForward.flatMap(chain => nftFinding(chain, pods)),
    ]
  },
}

function iptablesFinding(iptables: IptablesFacts, pods: Pods): readonly Finding[] {
  const rules = iptables.forwardRules.get('FORWARD') ?? []
  const drop = rules.map(withoutComment).find(rule => /^-j (DROP|REJECT)\b/.test(rule))
  if (iptables.forwardPolicy !== 'DROP' && drop === undefined) return []
  if ([...iptables.forwardRules.values()].flat().some(rule => acceptsPods(rule, pods))) return []
  const program = `${iptables.family === 4 ? 'iptables' : 'ip6tables'}${iptables.flavour === 'legacy' ? '-legacy' : ''}`
  const way =
    drop === undefined
      ? `${program} has the policy FORWARD DROP`
      : `${program} ends FORWARD with ${drop.slice(3)}`
  return [drops(ownerOf(iptables), way, { program, pods })]
}

type Owner = 'docker' | 'ufw' | 'firewalld' | 'unknown'

function ownerOf({ chains }: IptablesFacts): Owner {
  const has = (pattern: RegExp) => [...chains].some(chain => pattern.test(chain))
  if (has(/^filter ufw6?-/)) return 'ufw'
  if (has(/^filter (FWDI_|FORWARD_direct|FWD_)/)) return 'firewalld'
  return has(/^filter DOCKER/) ? 'docker' : 'unknown'
}

/** firewalld's own tables and those of others; `accept` in one chain does not hold against `drop` in another (nft(8)). */
function nftFinding(chain: NftForward, { bridges, subnets }: Pods): readonly Finding[] {
  const { family, table, name, policy } = chain
  const last = chain.rules.get(name)?.at(-1) ?? ''
  const isDropping = policy === 'drop' || /^(counter )?(drop|reject)\b/.test(last)
  if (!isDropping) return []
  const names = [
    ...bridges.map(bridge => `iifname "${bridge}"`),
    ...subnets.map(subnet => `saddr ${formatPrefix(subnet)}`),
  ]
  const isAccepted = [...chain.rules.values()]
    .flat()
    .some(
      rule =>
        names.some(text => rule.includes(text)) &&
        /\b(accept|goto \S*trusted|jump \S*trusted)\b/.test(rule),
    )
  if (isAccepted) return []
  const owner = table === 'firewalld' ? 'firewalld' : table === 'ufw' ? 'ufw' : 'unknown'
  const way = `nftables chain ${family} ${table} ${name} ${policy === 'drop' ? 'has the policy drop' : `ends with ${last}`}`
  const program = `nft insert rule ${family} ${table} ${name}`
  return [drops(owner, way, { program, pods: { bridges, subnets } })]
}

type Mend = { readonly program: string; readonly pods: Pods }

function drops(owner: Owner, way: string, { program, pods }: Mend): Finding {
  const bridge = pods.bridges[0] ?? 'cni0'
  const subnets = pods.subnets.map(formatPrefix)
  const fixes: Readonly<Record<Owner, string>> = {
    docker: `${program} -I DOCKER-USER -i ${bridge} -j ACCEPT && ${program} -I DOCKER-USER -o ${bridge} -j ACCEPT`,
    ufw: `ufw route allow in on ${bridge} && ufw route allow out on ${bridge}`,
    firewalld: `firewall-cmd --permanent --zone=trusted ${[`--add-interface=${bridge}`, ...subnets.map(subnet => `--add-source=${subnet}`)].join(' ')} && firewall-cmd --reload`,
    unknown: program.startsWith('nft')
      ? `${program} iifname ${bridge} accept && ${program} oifname ${bridge} accept`
      : `${program} -I FORWARD -i ${bridge} -j ACCEPT && ${program} -I FORWARD -o ${bridge} -j ACCEPT`,
  }
  const who = owner === 'unknown' ? 'a firewall' : owner
  return fail(
    `firewall-${owner}`,
    `${who} drops packets of pods: ${way}, and no rule accepts them`,
    fixes[owner],
  )
}

const withoutComment = (rule: string): string =>
  rule.replace(/-m comment --comment ("[^"]*"|\S+) ?/g, '')

/** Does an iptables rule accept new connections of pods? One for answers (`--ctstate`) or for what is marked does not. */
function acceptsPods(rule: string, { bridges, subnets }: Pods): boolean {
  const plain = withoutComment(rule).trim()
  if (plain === '-j ACCEPT') return true
  const match = /^-([is]) (\S+) -j ACCEPT$/.exec(plain)
  if (match === null) return false
  const [, by, value = ''] = match
  if (by === 'i') return bridges.includes(value)
  const source = parsePrefix(value)
  return source !== undefined && subnets.some(subnet => prefixesOverlap(source, subnet))
}
