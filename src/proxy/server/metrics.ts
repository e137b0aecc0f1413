import { type HttpRoutes, metricsRoute } from '#runtime/http-server.ts'
import type { Metrics } from '#runtime/metrics.ts'
import type { ProxyConfig } from '../config/schema.ts'

/** kube-proxy's metrics server: metrics, the mode in use, and the effective configuration. */
export const metricsRoutes = (metrics: Metrics, config: ProxyConfig): HttpRoutes => ({
  '/metrics': metricsRoute(metrics),
  // Not the mode that was asked for: what programs the kernel.
  '/proxyMode': () => ({ status: 200, body: 'nftables' }),
  '/healthz': () => ({ status: 200, body: 'ok' }),
  '/configz': () => ({
    status: 200,
    body: JSON.stringify({ 'kubeproxy.config.k8s.io': config }),
    contentType: 'application/json',
  }),
})
