import type { Protocol } from '#net/protocol.ts'
import { counted } from './counter-match.ts'
import { rule } from './rule.ts'

export type NodePortRuleOptions = {
  readonly nodePort: number
  readonly protocol: Protocol
  /** The service port's name, for people. */
  readonly name: string
  /** The chain for external traffic of the service port. */
  readonly external: string
  /** Are connections to 127.0.0.0/8 to be counted? */
  readonly countsLocalhost: boolean | undefined
}

/** How connections to a node port come to its chain. */
export function nodePortRules(options: NodePortRuleOptions): readonly string[] {
  const { nodePort, protocol, name, external, countsLocalhost } = options
  if (nodePort === 0) return []
  const toAny = { protocol, comment: name, port: nodePort, target: external }
  const toLoopback = {
    ...toAny,
    destination: '-d 127.0.0.0/8',
    matches: [counted('localhost')],
  }
  return [...(countsLocalhost ? [rule(toLoopback)] : []), rule(toAny)]
}
