import { interfaceSysctl } from '#linux/sysctl.ts'
import type { IpFamily } from '#net/ip.ts'
import type { NodeFacts } from '../facts.ts'
import { type Check, type Finding, fail, sysctlFile, warn } from '../finding.ts'
import { outerLinks, podBridges, podFamilies, tunnels, uplinks } from '../pod-links.ts'

const FORWARDING: Readonly<Record<IpFamily, string>> = {
  4: 'net/ipv4/ip_forward',
  6: 'net/ipv6/conf/all/forwarding',
}

/** A node is the router of its pods. */
export const forwardingCheck: Check = {
  id: 'forwarding',
  ok: 'the node forwards packets for its pods',
  examine: facts => [
    ...[...podFamilies(facts)]
      .filter(family => facts.sysctls.get(FORWARDING[family]) !== '1')
      .map(family =>
        fail(
          'forwarding',
          `the node does not forward IPv${family}: pods reach nothing outside their bridge, and no Service`,
          `sysctl -w ${FORWARDING[family].replaceAll('/', '.')}=1`,
          sysctlFile(`${FORWARDING[family].replaceAll('/', '.')} = 1`),
        ),
      ),
    ...linksForward(facts),
  ],
}

/** A link can be switched off by itself. */
function linksForward(facts: NodeFacts): readonly Finding[] {
  if (!podFamilies(facts).has(4) || facts.sysctls.get(FORWARDING[4]) !== '1') return []
  return [...podBridges(facts), ...tunnels(facts), ...uplinks(facts)].flatMap(({ name }) => {
    const path = interfaceSysctl('ipv4', name, 'forwarding')
    if (facts.sysctls.get(path) !== '0') return []
    const cause = `what comes in by ${name} is not forwarded`
    return [fail('forwarding-link', cause, `echo 1 > /proc/sys/${path}`)]
  })
}

/**
 * Strict filtering drops a packet whose source would be reached by another link (RFC 3704 section 2.2; the greater of the values of
 * `all` and the link counts). That is what a second uplink, a load balancer that answers directly, or an overlay makes.
 */
export const reversePathCheck: Check = {
  id: 'rp-filter',
  ok: 'packets are taken whichever way back they have',
  examine: facts => {
    const strict = [...outerLinks(facts), ...tunnels(facts)].filter(
      ({ name }) => reversePath(facts, name) === 1,
    )
    const [first] = strict
    if (first === undefined) return []
    const names = strict.map(({ name }) => name).join(', ')
    const fix = 'sysctl -w net.ipv4.conf.all.rp_filter=2'
    const lasting = sysctlFile('net.ipv4.conf.all.rp_filter = 2')
    const isCertain = outerLinks(facts).length > 1 || strict.some(({ kind }) => kind === 'vxlan')
    if (isCertain) {
      const cause = `rp_filter is strict on ${names}: packets that came in by one link and are answered by another are dropped`
      return [fail('rp-filter', cause, fix, lasting)]
    }
    const cause = `rp_filter is strict on ${names}: with a second way out of this node packets will be dropped`
    return [warn('rp-filter', cause, fix, lasting)]
  },
}

function reversePath({ sysctls }: NodeFacts, link: string): number {
  const values = ['all', link].map(name =>
    Number(sysctls.get(interfaceSysctl('ipv4', name, 'rp_filter')) ?? 0),
  )
  return Math.max(...values)
}
