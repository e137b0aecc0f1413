import type { NodeFacts } from '../facts.ts'
import { type Check, type Finding, fail, sysctlFile, warn } from '../finding.ts'
import { podBridges, podFamilies, podNetwork, podPorts } from '../pod-links.ts'

const settings = {
  4: 'net/bridge/bridge-nf-call-iptables',
  6: 'net/bridge/bridge-nf-call-ip6tables',
} as const

const isSeen = ({ sysctls }: NodeFacts, family: 4 | 6): boolean =>
  sysctls.get(settings[family]) === '1'

/**
 * A pod asks a Service and the endpoint is on the same bridge: the answer goes from port to port, and unless the bridge shows it
 * to netfilter, nobody turns its source back into the Service's address.
 */
export const bridgeNetfilterCheck: Check = {
  id: 'bridge-netfilter',
  ok: 'answers between pods of one bridge are translated back',
  examine: facts => {
    const [bridge] = podBridges(facts)
    if (bridge === undefined || facts.wanted.proxyMode === undefined) return []
    return [...podFamilies(facts)]
      .filter(family => !isSeen(facts, family))
      .map(family => {
        const path = settings[family]
        const load = facts.sysctls.has(path) ? '' : 'modprobe br_netfilter && '
        return fail(
          'bridge-netfilter',
          `${path.split('/').at(-1)} is off: pods cannot reach a Service whose endpoint is on ${bridge.name} too (IPv${family})`,
          `${load}sysctl -w ${path.replaceAll('/', '.')}=1`,
          sysctlFile(`${path.replaceAll('/', '.')} = 1`),
        )
      })
  },
}

/** With netfilter on the bridge, a pod's packet to its own Service comes back by the port it left by. */
export const hairpinCheck: Check = {
  id: 'hairpin',
  ok: 'a pod reaches itself through its Service',
  examine: facts => {
    const off = podPorts(facts).filter(({ bridgePort }) => bridgePort?.hairpin === false)
    const [first] = off
    if (first === undefined) return []
    const cause = `hairpin is off on ${first.name}${off.length > 1 ? ` and ${off.length - 1} more` : ''}`
    return examinePort(facts, cause, `bridge link set dev ${first.name} hairpin on`)
  },
}

function examinePort(facts: NodeFacts, cause: string, fix: string): readonly Finding[] {
  const lasting = `"hairpinMode": true in the network's configuration, for new pods`
  if (isSeen(facts, 4) || isSeen(facts, 6)) {
    const effect = `${cause}: these pods do not reach themselves through their Service`
    return [fail('hairpin', effect, fix, lasting)]
  }
  if (podNetwork(facts)?.hairpin !== true) return []
  return [warn('hairpin', `${cause}, although the network's configuration asks for it`, fix)]
}
