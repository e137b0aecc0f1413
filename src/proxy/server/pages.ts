import type { HttpAnswer, HttpRoutes } from '#runtime/http-server.ts'
import { version } from '#runtime/version.ts'
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

/** kube-proxy's pages about itself, `/flagz` and `/statusz`. */
export const pages = (
  config: ProxyConfig,
  { startedMs, nowMs }: { readonly startedMs: number; readonly nowMs: () => number },
): HttpRoutes => ({
  '/flagz': () =>
    page(
      'flagz',
      fieldFlags.map(
        ({ name, fields: [field = ''] }) => `${name}=${flagText(valueAt(config, field))}`,
      ),
    ),
  '/statusz': () =>
    page('statusz', [
      `Started: ${new Date(startedMs).toISOString()}`,
      `Up: ${Math.floor((nowMs() - startedMs) / 1000)} s`,
      `Node.js version: ${process.version}`,
      `Binary version: ${version}`,
      `Emulation version: ${KUBERNETES_VERSION}`,
      'Paths: /configz /flagz /healthz /metrics /metrics/slis /proxyMode /statusz',
    ]),
})

const flagText = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value)
