import type { Link } from '#linux/netlink/link.ts'
import type { IptablesFacts, NodeFacts } from '../facts.ts'
import { type Check, type Finding, fail, warn } from '../finding.ts'

/** What another program's state on a node means beside ours. */
export const leftoversCheck: Check = {
  id: 'leftover',
  ok: 'nothing of other programs is in the way',
  examine: facts => [
    ...proxyTables(facts),
    ...proxyChains(facts),
    ...proxyLink(facts),
    ...networkLinks(facts),
    ...networkFiles(facts),
    ...nodeLocalDns(facts),
  ],
}

/** kube-proxy's tables of mode nftables. */
function proxyTables({ nftTables, wanted }: NodeFacts): readonly Finding[] {
  const tables = nftTables.filter(table => /^(ip|ip6) kube-proxy$/.test(table))
  if (tables.length === 0 || wanted.proxyMode === undefined) return []
  const cause = `kube-proxy's nftables rules are still there (table ${tables.join(', table ')}): old endpoints get packets`
  return [
    fail(
      'leftover-kube-proxy-nft',
      cause,
      tables.map(table => `nft delete table ${table}`).join(' && '),
    ),
  ]
}

/** Chains of Services; the kubelet's own (KUBE-KUBELET-CANARY, KUBE-FIREWALL) belong there. */
const SERVICE_CHAIN = /^nat KUBE-(SERVICES|SVC-|SEP-|NODEPORTS)/

/** In mode iptables our chains have kube-proxy's names: those are no leftovers. */
function proxyChains({ iptables, wanted, nftTables }: NodeFacts): readonly Finding[] {
  const { proxyMode, isConfigured } = wanted
  if (proxyMode === undefined || proxyMode === 'iptables') return []
  const found = iptables.filter(({ chains }) =>
    [...chains].some(chain => SERVICE_CHAIN.test(chain)),
  )
  const [first] = found
  if (first === undefined) return []
  const where = found.map(({ family, flavour }) => `IPv${family} ${flavour}`).join(', ')
  const cause = `iptables chains of kube-proxy are still there (${where}): they translate addresses before our rules do`
  const isSure = isConfigured || nftTables.some(table => table.endsWith(' nodeplane'))
  return [(isSure ? fail : warn)('leftover-kube-proxy-iptables', cause, removal(found))]
}

const removal = (found: readonly IptablesFacts[]): string =>
  found
    .map(({ family, flavour }) => {
      const program = `${family === 4 ? 'iptables' : 'ip6tables'}-${flavour}`
      return `${program}-save | grep -v KUBE- | ${program}-restore`
    })
    .join(' && ')

/** IPVS binds every Service's address to this link, so they stay local whatever the rules say. */
function proxyLink({ links, wanted }: NodeFacts): readonly Finding[] {
  if (wanted.proxyMode === undefined || wanted.proxyMode === 'ipvs') return []
  const link = links.find(({ name }) => name === 'kube-ipvs0')
  if (link === undefined) return []
  const cause = 'kube-ipvs0 is still there: the node keeps the addresses of Services for itself'
  return [fail('leftover-kube-ipvs0', cause, 'ipvsadm --clear; ip link del kube-ipvs0')]
}

/** Other pod networks: names of their links, and the plugins of their configurations. */
const networks: readonly {
  readonly name: string
  readonly links: RegExp
  readonly plugin: RegExp
}[] = [
  { name: 'flannel', links: /^flannel(\.|-v6\.|-wg|0$)/, plugin: /^flannel$/ },
  {
    name: 'Calico',
    links: /^(vxlan(-v6)?\.calico|cali[0-9a-f]{11}|wireguard\.cali)$/,
    plugin: /^calico/,
  },
  { name: 'Cilium', links: /^cilium_/, plugin: /^cilium/ },
  { name: 'Weave', links: /^(weave|vethwe-)/, plugin: /^weave/ },
  { name: 'kube-router', links: /^kube-bridge$/, plugin: /^kube-router/ },
  { name: 'Antrea', links: /^antrea-/, plugin: /^antrea/ },
  { name: 'OVN-Kubernetes', links: /^ovn-k8s-/, plugin: /^ovn-k8s/ },
]

/** Does this node's network belong to us? Then nobody else's is in use. */
const isOurNetwork = ({ wanted, networks }: NodeFacts): boolean =>
  wanted.routes !== undefined || networks.some(({ isOurs }) => isOurs)

function networkLinks(facts: NodeFacts): readonly Finding[] {
  const inUse = facts.networks[0]?.types ?? []
  return networks.flatMap(({ name, links, plugin }) => {
    const found = facts.links.filter(link => links.test(link.name))
    if (found.length === 0 || inUse.some(type => plugin.test(type))) return []
    const names = found.map(link => link.name)
    const cause = `${name}'s links are still there (${listed(names)}): their routes lead pods' packets astray`
    const fix = names
      .map(link => `ip link del ${link}`)
      .slice(0, 3)
      .join('; ')
    return [(isOurNetwork(facts) ? fail : warn)('leftover-network', cause, fix)]
  })
}

const listed = (names: readonly string[]): string =>
  names.length > 3
    ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
    : names.join(', ')

/** A container runtime takes the first file by name and passes over the others. */
function networkFiles({ networks, wanted }: NodeFacts): readonly Finding[] {
  const [first, ...others] = networks
  if (first === undefined) return []
  const ours = networks.find(({ isOurs }) => isOurs)
  if (ours !== undefined && ours !== first) {
    const cause = `the container runtime takes ${first.file} (${first.types.join(', ')}), not ours, ${ours.file}: the first by name`
    return [fail('leftover-cni-config', cause, `mv ${first.file} ${first.file}.off`)]
  }
  if (ours === undefined) {
    if (!wanted.cni || !wanted.isConfigured) return []
    const cause = `no network configuration is ours: the container runtime takes ${first.file}`
    return [warn('leftover-cni-config', cause, 'nodeplane cni install')]
  }
  return others.map(({ file }) =>
    warn('leftover-cni-config', `${file} is not used, as long as ours is before it`, `rm ${file}`),
  )
}

const isNodeLocalLink = ({ name }: Link): boolean => name === 'nodelocaldns'

/** NodeLocal DNSCache holds the addresses that pods ask, whether it runs or not. */
function nodeLocalDns({ links, iptables, wanted }: NodeFacts): readonly Finding[] {
  if (!wanted.dns) return []
  const say = wanted.isConfigured ? fail : warn
  const rules = iptables.filter(({ nodeLocalDnsRule }) => nodeLocalDnsRule !== undefined)
  const isLinked = links.some(isNodeLocalLink)
  return [
    ...(isLinked
      ? [
          say(
            'leftover-nodelocaldns',
            "NodeLocal DNSCache's link nodelocaldns is still there: it keeps the addresses that pods ask",
            'kubectl -n kube-system delete daemonset node-local-dns; ip link del nodelocaldns',
          ),
        ]
      : []),
    ...rules.map(({ family, flavour }) => {
      const program = `${family === 4 ? 'iptables' : 'ip6tables'}-${flavour}`
      return say(
        'leftover-nodelocaldns-rules',
        `NodeLocal DNSCache's ${program} rules are still there: queries pass the Service's rules by`,
        `${program}-save | grep -v 'NodeLocal DNS Cache' | ${program}-restore`,
      )
    }),
  ]
}
