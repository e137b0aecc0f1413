import type { Severity } from '../severity.ts'
import type { NodeFacts } from './facts.ts'

/** What a check says; there is one finding at least for each check. */
export type Finding = {
  /** Stable: `mtu-tunnel`. */
  readonly id: string
  readonly severity: Severity
  /** One line: what is so, and what comes of it. */
  readonly cause: string
  /** A command that mends it now, or what to write where; what is fine needs none. */
  readonly fix?: string | undefined
  /** What keeps it so, after a reboot or for new pods. */
  readonly lasting?: string | undefined
}

/** Judges one side of a node. Pure. */
export type Check = {
  readonly id: string
  /** What is well when there is nothing to say. */
  readonly ok: string
  readonly examine: (facts: NodeFacts) => readonly Finding[]
}

export const fail = (id: string, cause: string, fix: string, lasting?: string): Finding => ({
  id,
  severity: 'FAIL',
  cause,
  fix,
  lasting,
})

export const warn = (...args: Parameters<typeof fail>): Finding => ({
  ...fail(...args),
  severity: 'WARN',
})

/** Where a sysctl outlives a reboot (sysctl.d(5)). */
export const sysctlFile = (setting: string): string =>
  `echo '${setting}' >> /etc/sysctl.d/90-nodeplane.conf`
