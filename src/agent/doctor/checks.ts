import { bridgeNetfilterCheck, hairpinCheck } from './checks/bridge.ts'
import { firewallCheck } from './checks/firewall.ts'
import { forwardingCheck, reversePathCheck } from './checks/ip.ts'
import { kernelCheck } from './checks/kernel.ts'
import { lastSyncCheck } from './checks/last-sync.ts'
import { leftoversCheck } from './checks/leftovers.ts'
import { mtuCheck } from './checks/mtu.ts'
import { resolverLoopCheck, stubResolverCheck } from './checks/resolver.ts'
import type { NodeFacts } from './facts.ts'
import type { Check, Finding } from './finding.ts'

/** All checks, in the order in which a packet meets what they look at. */
export const checks: readonly Check[] = [
  kernelCheck,
  forwardingCheck,
  reversePathCheck,
  mtuCheck,
  bridgeNetfilterCheck,
  hairpinCheck,
  firewallCheck,
  leftoversCheck,
  stubResolverCheck,
  resolverLoopCheck,
  lastSyncCheck,
]

/** What the checks find; one that finds nothing says that all is well. Pure. */
export const examine = (facts: NodeFacts): readonly Finding[] =>
  checks.flatMap(({ id, ok, examine }): readonly Finding[] => {
    const findings = examine(facts)
    return findings.length > 0 ? findings : [{ id, severity: 'OK', cause: ok }]
  })
