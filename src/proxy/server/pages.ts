import type { HttpAnswer, HttpRoutes } from '#runtime/http-server.ts'
import { version } from '#runtime/version.ts'
import { effectiveGates, FLAGZ_GATE, STATUSZ_GATE } from '../config/feature-gates.ts'
import { fieldFlags } from '../config/flags.ts'
import type { ProxyConfig } from '../config/schema.ts'
import { valueAt } from '../config/support.ts'

/** The Kubernetes release whose kube-proxy this is like. */
export const KUBERNETES_VERSION = '1.36'

const WARNING = 'For people: the form of this page may change at any time.'

const page = (title: string, lines: readonly string[]): HttpAnswer => ({
  status: 200,
  body: [`nodeplane proxy ${title}`, WARNING, '', ...lines, ''].join('\n'),
})

type Times = { readonly startedMs: number; readonly nowMs: () => number }

/** kube-proxy's pages about itself, `/flagz` and `/statusz`, each where its feature gate is on. */
export function pages(config: ProxyConfig, times: Times): HttpRoutes {
  const gates = effectiveGates(config.featureGates)
  const flagz = gates[FLAGZ_GATE]?.isOn ? { '/flagz': () => flagsPage(config) } : {}
  const paths = ['/configz', ...Object.keys(flagz), '/healthz', '/metrics', '/metrics/slis']
  const statusz = gates[STATUSZ_GATE]?.isOn
    ? { '/statusz': () => statusPage(times, [...paths, '/proxyMode', '/statusz']) }
    : {}
  return { ...flagz, ...statusz }
}

const flagsPage = (config: ProxyConfig): HttpAnswer =>
  page(
    'flagz',
    fieldFlags.map(
      ({ name, fields: [field = ''] }) => `${name}=${flagText(valueAt(config, field))}`,
    ),
  )

const statusPage = ({ startedMs, nowMs }: Times, paths: readonly string[]): HttpAnswer =>
  page('statusz', [
    `Started: ${new Date(startedMs).toISOString()}`,
    `Up: ${Math.floor((nowMs() - startedMs) / 1000)} s`,
    `Node.js version: ${process.version}`,
    `Binary version: ${version}`,
    `Emulation version: ${KUBERNETES_VERSION}`,
    `Paths: ${paths.join(' ')}`,
  ])

const flagText = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value)
