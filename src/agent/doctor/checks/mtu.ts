import type { NodeFacts } from '../facts.ts'
import { type Check, type Finding, fail } from '../finding.ts'
import { podBridges, podNetwork, podPorts, tunnels, uplinks } from '../pod-links.ts'

/** What VXLAN adds to a packet over IPv4: Ethernet 14, VXLAN 8, UDP 8, IP 20 bytes (RFC 7348 section 5). */
const VXLAN_BYTES = 50

/** A packet that is too long for the next link is lost where nobody hears "fragmentation needed" (RFC 1191, RFC 8201). */
export const mtuCheck: Check = {
  id: 'mtu',
  ok: 'every link lets the packets of the one before pass',
  examine: facts => [...tunnelFits(facts), ...podsFit(facts), ...portsFit(facts)],
}

const smallest = (links: NodeFacts['links']) => links.toSorted((a, b) => a.mtu - b.mtu)[0]

function tunnelFits(facts: NodeFacts): readonly Finding[] {
  const uplink = smallest(uplinks(facts))
  if (uplink === undefined) return []
  return tunnels(facts)
    .filter(({ mtu }) => mtu > uplink.mtu - VXLAN_BYTES)
    .map(({ name, mtu }) =>
      fail(
        'mtu-tunnel',
        `tunnel ${name} takes packets of ${mtu} bytes, but with ${VXLAN_BYTES} more around them ${uplink.name} (${uplink.mtu}) does not`,
        `ip link set ${name} mtu ${uplink.mtu - VXLAN_BYTES}`,
      ),
    )
}

function podsFit(facts: NodeFacts): readonly Finding[] {
  const way = smallest(tunnels(facts)) ?? smallest(uplinks(facts))
  if (way === undefined) return []
  const configured = podNetwork(facts)?.mtu
  return podBridges(facts).flatMap(({ name, mtu }) => {
    // A bridge without ports has the MTU it was born with; the network's own says what pods will get.
    const podMtu = Math.max(0, configured ?? mtu, ...podPorts(facts).map(port => port.mtu))
    if (podMtu <= way.mtu) return []
    return [
      fail(
        'mtu-pods',
        `pods on ${name} send packets of ${podMtu} bytes, ${way.name} takes ${way.mtu}: long answers to other nodes get lost`,
        `ip link set ${name} mtu ${way.mtu}`,
        `"mtu": ${way.mtu} in ${podNetwork(facts)?.file ?? "the network's configuration"}; then recreate the pods`,
      ),
    ]
  })
}

/** A bridge drops a frame that is too long for the port it leaves by, and tells nobody. */
function portsFit(facts: NodeFacts): readonly Finding[] {
  return podBridges(facts).flatMap(bridge => {
    const ports = podPorts(facts).filter(({ masterIndex }) => masterIndex === bridge.index)
    const mtu = Math.max(...ports.map(port => port.mtu))
    const odd = ports.filter(port => port.mtu !== mtu)
    const [first] = odd
    if (first === undefined) return []
    const commands = odd.map(({ name }) => `ip link set ${name} mtu ${mtu}`)
    return [
      fail(
        'mtu-ports',
        `${odd.length} of ${ports.length} pods on ${bridge.name} have another MTU than ${mtu} (${first.name}: ${first.mtu}): longer frames are dropped in silence`,
        [...commands.slice(0, 3), `ip link set ${bridge.name} mtu ${mtu}`].join('; '),
        'recreate these pods: their ends of the links have the old MTU too',
      ),
    ]
  })
}
