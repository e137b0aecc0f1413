import { formatHostPort, type IpAddress, type IpFamily } from '#net/ip.ts'
import { formatPrefix, hostPrefix, networkOf, prefixContains } from '#net/prefix.ts'
import type { ServicePortState } from '../change-tracker.ts'
import type { ProxyEndpoint } from '../endpoint.ts'
import type { LocalDetector } from '../local-detector.ts'
import { displayName, isExternallyAccessible } from '../service-port.ts'
import { chance, fromPods, hostText } from './match.ts'
import { portChain } from './names.ts'
import { nodePortRules } from './node-port-rules.ts'
import { refusal, type Scope } from './refusal.ts'
import { rule } from './rule.ts'

/** A chain of the nat table for one service port, and its rules. */
export type PortChain = { readonly name: string; readonly rules: readonly string[] }

/** The fixed chains to which service ports contribute, by table and chain. */
export const dispatchChains = [
  'filter KUBE-NODEPORTS',
  'filter KUBE-SERVICES',
  'filter KUBE-EXTERNAL-SERVICES',
  'filter KUBE-PROXY-FIREWALL',
  'nat KUBE-SERVICES',
  'nat KUBE-NODEPORTS',
] as const
export type DispatchChain = (typeof dispatchChains)[number]

/** What iptables is to hold for one service port. */
export type PortRules = {
  /** Each leads only to those before it. */
  readonly chains: readonly PortChain[]
  readonly dispatch: Readonly<Partial<Record<DispatchChain, readonly string[]>>>
}

export type PortRulesOptions = {
  readonly family: IpFamily
  readonly detector: LocalDetector | undefined
  readonly masqueradeAll: boolean
  readonly nodeIPs: readonly IpAddress[]
  /** Count connections to node ports on 127.0.0.0/8? No when not given. */
  readonly countsLocalhost?: boolean
}

/** With `isTerse` the chains of endpoints and those that balance have no comments, as kube-proxy's in large clusters. */
type Options = PortRulesOptions & { readonly isTerse: boolean }

/** The rules of a service port, shaped as kube-proxy's. */
export function portRules(port: ServicePortState, options: Options): PortRules {
  const writer = new PortRulesWriter(port, options)
  return { chains: writer.chains(), dispatch: writer.dispatch() }
}

const MARK_MASQUERADE = 'KUBE-MARK-MASQ'
const FROM_NODE = '-m addrtype --src-type LOCAL'

class PortRulesWriter {
  readonly #port: ServicePortState
  readonly #options: Options
  readonly #name: string
  /** The chains that exist. */
  readonly #policy: Readonly<Record<Scope, string | undefined>>
  readonly #external: string | undefined
  readonly #firewall: string | undefined

  constructor(port: ServicePortState, options: Options) {
    this.#port = port
    this.#options = options
    this.#name = displayName(port)
    const { endpoints, loadBalancerVIPs, sourceRanges } = port
    const { cluster, local, hasAny } = endpoints
    this.#policy = {
      cluster: cluster.length === 0 ? undefined : portChain('SVC', port),
      local: local.length === 0 ? undefined : portChain('SVL', port),
    }
    const isExternal = hasAny && isExternallyAccessible(port)
    this.#external = isExternal ? portChain('EXT', port) : undefined
    const isGuarded = isExternal && loadBalancerVIPs.length > 0 && sourceRanges.length > 0
    this.#firewall = isGuarded ? portChain('FW', port) : undefined
  }

  chains(): readonly PortChain[] {
    const { cluster, local } = this.#port.endpoints
    const reachable = new Set([...cluster, ...local])
    return [
      ...Array.from(reachable, endpoint => this.#endpointChain(endpoint)),
      ...this.#policyChain('cluster'),
      ...this.#policyChain('local'),
      ...(this.#external === undefined ? [] : [this.#externalChain(this.#external)]),
      ...(this.#firewall === undefined ? [] : [this.#firewallChain(this.#firewall)]),
    ]
  }

  dispatch(): PortRules['dispatch'] {
    const { clusterIP, externalIPs, loadBalancerVIPs, healthCheckNodePort } = this.#port
    const clusterIPChain = this.#policy[this.#internalScope]
    const external = this.#external
    const { countsLocalhost } = this.#options
    const to = (ip: IpAddress, what: string, target: string) =>
      this.#toAddress(ip, `${this.#name} ${what}`, target)
    return {
      'filter KUBE-NODEPORTS':
        healthCheckNodePort === 0 ? [] : [this.#healthCheckRule(healthCheckNodePort)],
      'filter KUBE-SERVICES':
        clusterIPChain === undefined ? [this.#unserved(clusterIP, this.#internalScope)] : [],
      'filter KUBE-EXTERNAL-SERVICES': this.#unservedOutside(),
      'filter KUBE-PROXY-FIREWALL': this.#firewallDrops(),
      'nat KUBE-SERVICES': [
        ...(clusterIPChain === undefined ? [] : [to(clusterIP, 'cluster IP', clusterIPChain)]),
        ...(external === undefined
          ? []
          : [
              ...externalIPs.map(ip => to(ip, 'external IP', external)),
              ...loadBalancerVIPs.map(ip => to(ip, 'loadbalancer IP', this.#firewall ?? external)),
            ]),
      ],
      'nat KUBE-NODEPORTS':
        external === undefined
          ? []
          : nodePortRules({ ...this.#port, name: this.#name, external, countsLocalhost }),
    }
  }

  get #internalScope(): Scope {
    return this.#port.internalPolicyLocal ? 'local' : 'cluster'
  }

  get #externalScope(): Scope {
    return this.#port.externalPolicyLocal ? 'local' : 'cluster'
  }

  /** A comment in one of the chains that go without in large clusters. */
  #comment(text: string): string | undefined {
    return this.#options.isTerse ? undefined : text
  }

  #policyChain(scope: Scope): readonly PortChain[] {
    const name = this.#policy[scope]
    if (name === undefined) return []
    const endpoints = this.#port.endpoints[scope]
    const chains = endpoints.map(endpoint => ({
      chain: portChain('SEP', this.#port, endpoint),
      comment: this.#comment(`${this.#name} -> ${formatHostPort(endpoint.address, endpoint.port)}`),
    }))
    return [
      {
        name,
        rules: [
          ...(scope === this.#internalScope ? this.#clusterIPMasquerade() : []),
          ...chains.flatMap(({ chain, comment }) => this.#rememberedRule(chain, comment)),
          ...chains.map(({ chain, comment }, index) => {
            const left = chains.length - index
            return rule({ comment, matches: left > 1 ? [chance(left)] : [], target: chain })
          }),
        ],
      },
    ]
  }

  #clusterIPMasquerade(): readonly string[] {
    const { detector, masqueradeAll } = this.#options
    if (!masqueradeAll && detector === undefined) return []
    const comment = this.#comment(`${this.#name} cluster IP`)
    const to = this.#toAddressParts(this.#port.clusterIP, comment)
    const others = masqueradeAll || detector === undefined ? {} : fromPods(detector, '! ')
    return [rule({ ...to, ...others, target: MARK_MASQUERADE })]
  }

  #rememberedRule(chain: string, comment: string | undefined): readonly string[] {
    const seconds = this.#port.affinityTimeoutSeconds
    if (seconds === undefined) return []
    const match = this.#recent(`--rcheck --seconds ${seconds} --reap`, chain)
    return [rule({ comment, matches: [match], target: chain })]
  }

  /** Each endpoint has a list of its clients, which bears the name of its chain. */
  #recent(what: string, chain: string): string {
    const wholeAddress =
      this.#options.family === 4 ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'
    return `-m recent ${what} --name ${chain} --mask ${wholeAddress} --rsource`
  }

  #externalChain(name: string): PortChain {
    const { cluster, local } = this.#policy
    const what = `${this.#name} external destinations`
    if (this.#externalScope === 'cluster') {
      const comment = `masquerade traffic for ${what}`
      return {
        name,
        rules: [rule({ comment, target: MARK_MASQUERADE }), rule({ target: cluster })],
      }
    }
    const { detector } = this.#options
    const matches = [FROM_NODE]
    return {
      name,
      rules: [
        ...(detector === undefined
          ? []
          : [
              rule({
                ...fromPods(detector),
                comment: `pod traffic for ${what}`,
                target: cluster,
              }),
            ]),
        rule({ comment: `masquerade LOCAL traffic for ${what}`, matches, target: MARK_MASQUERADE }),
        rule({ comment: `route LOCAL traffic for ${what}`, matches, target: cluster }),
        ...(local === undefined ? [] : [rule({ target: local })]),
      ],
    }
  }

  #firewallChain(name: string): PortChain {
    const { sourceRanges, loadBalancerVIPs } = this.#port
    const { nodeIPs } = this.#options
    const comment = `${this.#name} loadbalancer IP`
    // A node that has a VIP on a link of its own sees its own connections come from it, so the VIPs go with the node.
    const holdNode = sourceRanges.some(range => nodeIPs.some(ip => prefixContains(range, ip)))
    const sources = [...sourceRanges, ...(holdNode ? loadBalancerVIPs.map(hostPrefix) : [])]
    return {
      name,
      rules: [
        ...sources.map(prefix =>
          rule({
            source: `-s ${formatPrefix(networkOf(prefix))}`,
            comment,
            target: this.#external,
          }),
        ),
        rule({
          comment: `other traffic to ${this.#name} will be dropped by KUBE-PROXY-FIREWALL`,
        }),
      ],
    }
  }

  #endpointChain(endpoint: ProxyEndpoint): PortChain {
    const { protocol, affinityTimeoutSeconds } = this.#port
    const name = portChain('SEP', this.#port, endpoint)
    const comment = this.#comment(this.#name)
    return {
      name,
      rules: [
        // Hairpin: an endpoint that is sent to itself would answer itself past conntrack.
        rule({
          source: `-s ${hostText(endpoint.address)}`,
          comment,
          target: MARK_MASQUERADE,
        }),
        rule({
          protocol,
          comment,
          matches: affinityTimeoutSeconds === undefined ? [] : [this.#recent('--set', name)],
          port: 0,
          target: `DNAT --to-destination ${formatHostPort(endpoint.address, endpoint.port)}`,
        }),
      ],
    }
  }

  #toAddressParts(ip: IpAddress, comment: string | undefined) {
    const { protocol, port } = this.#port
    return { destination: `-d ${hostText(ip)}`, protocol, comment, port }
  }

  #toAddress(ip: IpAddress, comment: string, target: string): string {
    return rule({ ...this.#toAddressParts(ip, comment), target })
  }

  /** What becomes of connections to an address when its policy has no endpoint. */
  #unserved(ip: IpAddress, scope: Scope): string {
    const { comment, target } = refusal(this.#port, scope, this.#options.family)
    return this.#toAddress(ip, comment, target)
  }

  #unservedOutside(): readonly string[] {
    const { endpoints, externalIPs, loadBalancerVIPs, nodePort, protocol } = this.#port
    const scope = this.#externalScope
    if (endpoints[scope].length > 0 && endpoints.hasAny) return []
    const { comment, target } = refusal(this.#port, scope, this.#options.family)
    const matches = ['-m addrtype --dst-type LOCAL']
    return [
      ...[...externalIPs, ...loadBalancerVIPs].map(ip => this.#unserved(ip, scope)),
      // As in kube-proxy on every address of this node, whatever nodePortAddresses says.
      ...(nodePort === 0 ? [] : [rule({ protocol, comment, matches, port: nodePort, target })]),
    ]
  }

  /** Only what was let through has another destination by now. */
  #firewallDrops(): readonly string[] {
    const comment = `${this.#name} traffic not accepted by ${this.#firewall}`
    if (this.#firewall === undefined) return []
    return this.#port.loadBalancerVIPs.map(ip => this.#toAddress(ip, comment, 'DROP'))
  }

  #healthCheckRule(port: number): string {
    const comment = `${this.#name} health check node port`
    return rule({ protocol: 'TCP', comment, port, target: 'ACCEPT' })
  }
}
