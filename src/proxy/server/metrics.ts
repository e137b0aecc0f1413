import { type HttpRoutes, metricsRoute } from '#runtime/http-server.ts'
import type { LogLevel } from '#runtime/log.ts'
import { createMetrics, Gauge, type Metrics } from '#runtime/metrics.ts'
import type { ProxyConfig } from '../config/schema.ts'
import type { ProxyMode } from '../settings.ts'
import type { ProxyHealth } from './health.ts'
import { pages } from './pages.ts'
import { profilingRoutes } from './profiling.ts'
import { verbosityRoute } from './verbosity.ts'

export type MetricsRoutesOptions = {
  readonly metrics: Metrics
  readonly config: ProxyConfig
  /** What programs the kernel, whatever was asked for. */
  readonly mode: ProxyMode
  readonly health: ProxyHealth
  readonly nowMs: () => number
  /** Changes what is logged. */
  readonly setLevel: (level: LogLevel) => void
}

/** kube-proxy's metrics server: metrics, the mode in use, the effective configuration, and profiles where they are wanted. */
export function metricsRoutes(options: MetricsRoutesOptions): HttpRoutes {
  const { metrics, config, mode, health, nowMs, setLevel } = options
  return {
    '/metrics': metricsRoute(metrics),
    '/metrics/slis': metricsRoute(healthMetrics(createMetrics(), health)),
    '/proxyMode': () => ({ status: 200, body: mode }),
    '/healthz': () => ({ status: 200, body: 'ok' }),
    '/configz': () => ({
      status: 200,
      body: JSON.stringify({ 'kubeproxy.config.k8s.io': config }),
      contentType: 'application/json',
    }),
    ...pages(config, { startedMs: nowMs(), nowMs }),
    ...(config.enableProfiling ? { ...profilingRoutes(), ...verbosityRoute(setLevel) } : {}),
  }
}

/** Whether each family keeps up, as Kubernetes' components tell it (KEP-3466). */
export function healthMetrics(registry: Metrics, health: Pick<ProxyHealth, 'status'>): Metrics {
  new Gauge({
    name: 'kubernetes_healthcheck',
    help: 'The result of a health check: 1 when it holds',
    labelNames: ['name', 'type'],
    registers: [registry],
    collect() {
      for (const [name, { healthy }] of Object.entries(health.status())) {
        this.set({ name, type: 'livez' }, healthy ? 1 : 0)
      }
    },
  })
  return registry
}
