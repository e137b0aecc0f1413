/** A packet's way, from the client on. `view` is what this node knows of the cluster: all that follows is read from it. */
export const steps = [
  'view',
  'client',
  'name',
  'address',
  'rule',
  'endpoint',
  'route',
  'pod',
] as const
export type Step = (typeof steps)[number]

/** Why a Service does not work. Stable: scripts compare them. */
export const causeIds = [
  'api-server-stale',
  'address-range-leaked',
  'host-network-cluster-first',
  'dns-silent',
  'upstream-resolver-down',
  'name-in-other-namespace',
  'ndots-search-miss',
  'headless-none-ready',
  'name-not-found',
  'no-such-service',
  'no-such-port',
  'node-port-address-not-selected',
  'source-range-refuses',
  'rule-missing',
  'stale-conntrack',
  'port-name-mismatch',
  'no-endpoints',
  'none-ready',
  'local-policy-no-local-pod',
  'route-missing',
  'mtu-wrong',
  'hairpin-off',
  'wrong-target-port',
  'pod-not-listening',
] as const
export type CauseId = (typeof causeIds)[number]

/** What is wrong, in one line each, for people. */
export type Finding = {
  readonly cause: CauseId
  /** Where on the way. */
  readonly step: Step
  readonly message: string
  /** What to do about it. */
  readonly fix: string
}
