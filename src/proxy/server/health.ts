import type { Node } from '#cluster/objects.ts'
import type { IpFamily } from '#net/ip.ts'
import type { Clock } from '#runtime/clock.ts'
import type { HttpAnswer, HttpRoutes } from '#runtime/http-server.ts'
import { Counter, type Metrics } from '#runtime/metrics.ts'

/** A change must be in the kernel within so many syncPeriods (kube-proxy). */
const MAX_PENDING_PERIODS = 2

/** Nodes with this taint are about to go: load balancers should leave them. */
const GOING_TAINT = 'ToBeDeletedByClusterAutoscaler'

type FamilyState = {
  /** Since when (monotonic) a change waits for its sync; undefined when none does. */
  readonly pendingSinceMs: number | undefined
  /** Of the last successful sync, or the start; milliseconds since the epoch. */
  readonly updatedMs: number
}

/** Whether the proxy keeps up: no family has had a change for two syncPeriods that is not in the kernel. */
export class ProxyHealth {
  readonly #clock: Clock
  readonly #maxPendingMs: number
  readonly #families: Map<IpFamily, FamilyState>

  constructor(
    {
      families,
      syncPeriodMs,
    }: { readonly families: readonly IpFamily[]; readonly syncPeriodMs: number },
    clock: Clock,
  ) {
    this.#clock = clock
    this.#maxPendingMs = MAX_PENDING_PERIODS * syncPeriodMs
    const started = { pendingSinceMs: undefined, updatedMs: clock.now() }
    this.#families = new Map(families.map(family => [family, started]))
  }

  /** A family has a change; the oldest that waits counts. */
  queued(family: IpFamily): void {
    this.#change(family, ({ pendingSinceMs, updatedMs }) => ({
      pendingSinceMs: pendingSinceMs ?? this.#clock.monotonic(),
      updatedMs,
    }))
  }

  /** A family's sync succeeded. */
  updated(family: IpFamily): void {
    const updatedMs = this.#clock.now()
    this.#change(family, () => ({ pendingSinceMs: undefined, updatedMs }))
  }

  isHealthy(): boolean {
    return Object.values(this.status()).every(({ healthy }) => healthy)
  }

  /** By family, in their order: `IPv4`, `IPv6`. */
  status(): Readonly<Record<string, { readonly updatedMs: number; readonly healthy: boolean }>> {
    const nowMs = this.#clock.monotonic()
    return Object.fromEntries(
      [...this.#families].map(([family, { pendingSinceMs = nowMs, updatedMs }]) => [
        `IPv${family}`,
        { updatedMs, healthy: nowMs - pendingSinceMs <= this.#maxPendingMs },
      ]),
    )
  }

  #change(family: IpFamily, next: (state: FamilyState) => FamilyState): void {
    const state = this.#families.get(family)
    if (state !== undefined) this.#families.set(family, next(state))
  }
}

export type HealthRoutesOptions = {
  readonly health: ProxyHealth
  /** The own Node as last seen; undefined while it is unknown. */
  readonly node: () => Node | undefined
  readonly metrics: Metrics
  readonly clock: Clock
}

/**
 * kube-proxy's health server (pkg/proxy/healthcheck/proxy_health.go): `/livez` says whether the proxy keeps up, `/healthz`
 * also whether new traffic should come to this node.
 */
export function healthRoutes({ health, node, metrics, clock }: HealthRoutesOptions): HttpRoutes {
  const counter = (name: string) =>
    new Counter({
      name: `kubeproxy_proxy_${name}_total`,
      help: `Answers of /${name}`,
      labelNames: ['code'],
      registers: [metrics],
    })
  const counters = { healthz: counter('healthz'), livez: counter('livez') }
  const answer = (path: 'healthz' | 'livez', extra: object, eligible: boolean): HttpAnswer => {
    const result = renderHealth(health.status(), { nowMs: clock.now(), eligible, extra })
    counters[path].inc({ code: String(result.status) })
    return result
  }
  return {
    '/livez': () => answer('livez', {}, true),
    '/healthz': () => {
      const nodeEligible = isEligible(node())
      return answer('healthz', { nodeEligible }, nodeEligible)
    },
  }
}

const isEligible = (node: Node | undefined): boolean =>
  node !== undefined && !node.deleting && !node.taints.some(({ key }) => key === GOING_TAINT)

/** kube-proxy's body: `healthy` is about the proxy alone, whatever the status; times are RFC 3339. */
function renderHealth(
  status: ReturnType<ProxyHealth['status']>,
  { nowMs, eligible, extra }: { nowMs: number; eligible: boolean; extra: object },
): HttpAnswer {
  const families = Object.entries(status)
  const healthy = families.every(([, family]) => family.healthy)
  const isOk = healthy && eligible
  const updatedMs = Math.max(...families.map(([, family]) => family.updatedMs))
  const time = (ms: number) => new Date(ms).toISOString()
  const body = {
    lastUpdated: time(isOk ? nowMs : updatedMs),
    currentTime: time(nowMs),
    ...extra,
    healthy,
    status: Object.fromEntries(
      families.map(([name, family]) => [
        name,
        { lastUpdated: time(family.updatedMs), healthy: family.healthy },
      ]),
    ),
  }
  return {
    status: isOk ? 200 : 503,
    body: `${JSON.stringify(body)}\n`,
    contentType: 'application/json',
  }
}
