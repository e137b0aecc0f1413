import { type ConfigObject, fieldPath, invalid, stringField } from '../spec/config-object.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { CniConfig } from '../spec/plugin.ts'

export type FirewallBackend = 'iptables' | 'firewalld'

/** Who may open connections to the container. */
const policies = ['open', 'same-bridge', 'isolated'] as const
export type IngressPolicy = (typeof policies)[number]

export type FirewallConfig = {
  /** undefined: firewalld where it runs, else iptables. */
  readonly backend: FirewallBackend | undefined
  readonly firewalldZone: string
  /** The chain for the administrator's rules, which come before ours. */
  readonly adminChain: string
  readonly ingressPolicy: IngressPolicy
}

/** Longest name of a chain, in bytes (XT_EXTENSION_MAXNAMELEN − 1). */
const MAX_CHAIN_LENGTH = 28

/** @throws {CniError} code 2, 6 or 7 */
export function firewallConfigFrom({ fields }: CniConfig): FirewallConfig {
  return {
    backend: backendOf(fields),
    firewalldZone: nameField(fields, 'firewalldZone', 'trusted', 64),
    adminChain: nameField(fields, 'iptablesAdminChainName', 'CNI-ADMIN', MAX_CHAIN_LENGTH),
    ingressPolicy: policyOf(fields),
  }
}

function backendOf(fields: ConfigObject): FirewallBackend | undefined {
  const text = stringField(fields, 'backend') || undefined
  if (text === undefined || text === 'iptables' || text === 'firewalld') return text
  if (text !== 'nftables') {
    throw invalid(fields, 'backend', `'${text}' is neither iptables nor firewalld`)
  }
  // An accept ends only its own table: from one of ours it could not overrule the drop of FORWARD, which is its purpose.
  throw new CniError(
    cniCodes.unsupportedField,
    `${fieldPath(fields, 'backend')} "nftables": not supported, rules of another table cannot accept what FORWARD drops`,
  )
}

/** A name that goes into rules and command lines. */
function nameField(fields: ConfigObject, key: string, none: string, maxLength: number): string {
  const text = stringField(fields, key) || none
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(text) && text.length <= maxLength) return text
  throw invalid(fields, key, `'${text}' is not 1–${maxLength} letters, digits, '_', '.', '-'`)
}

function policyOf(fields: ConfigObject): IngressPolicy {
  const text = stringField(fields, 'ingressPolicy') || 'open'
  const policy = policies.find(each => each === text)
  if (policy !== undefined) return policy
  throw invalid(fields, 'ingressPolicy', `'${text}' is none of ${policies.join(', ')}`)
}
