import type { IpFamily } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import type { ServicePortState } from '../change-tracker.ts'
import { displayName } from '../service-port.ts'

/** The endpoints that a traffic policy uses. */
export type Scope = 'cluster' | 'local'

/** What becomes of connections whose policy has no endpoint: refused, or dropped where other nodes have some. */
export function refusal(
  port: ServicePortState,
  scope: Scope,
  family: IpFamily,
): { readonly comment: string; readonly target: string } {
  const name = displayName(port)
  if (!port.endpoints.hasAny) {
    const target = `REJECT --reject-with ${rejection(port.protocol, family)}`
    return { comment: `${name} has no endpoints`, target }
  }
  return { comment: `${name} has no ${scope === 'local' ? 'local ' : ''}endpoints`, target: 'DROP' }
}

/** kube-proxy sends an ICMP error for TCP as well; the kernel limits their rate, and what gets none waits for a minute. */
function rejection(protocol: Protocol, family: IpFamily): string {
  if (protocol === 'TCP') return 'tcp-reset'
  return family === 4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable'
}
