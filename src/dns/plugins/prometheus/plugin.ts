import { metricsRoute } from '#runtime/http-server.ts'
import { directiveError } from '../../corefile/problem.ts'
import { gauge } from '../../metric.ts'
import type { PluginDefinition, SetupContext } from '../../plugin.ts'
import { exchangeMetrics } from '../../server/metrics.ts'
import { httpAddressOf } from '../http-address.ts'

/** `prometheus`: counts the queries of its block and serves all metrics of the process at /metrics. */
export const prometheus: PluginDefinition = {
  name: 'prometheus',
  repeatable: false,
  setup([directive], context) {
    if (directive === undefined) return { name: 'prometheus' }
    const { http, metrics, log } = context
    for (const line of directive.block ?? []) {
      if (line.name !== 'runtime_metrics') {
        throw directiveError(line, `unknown option '${line.name}', there is: runtime_metrics`)
      }
      log.warn(
        { option: line.name },
        'prometheus: there is no Go runtime here, so no metrics of it',
      )
    }
    http.serve(httpAddressOf(directive, 'localhost:9153'), '/metrics', metricsRoute(metrics))
    return {
      name: 'prometheus',
      fastPath: true,
      observe: exchangeMetrics(metrics),
      start: () => showPlugins(context),
    }
  },
}

function showPlugins({ metrics, server, zones, view, blocks }: SetupContext): void {
  const enabled = gauge(metrics, {
    name: 'coredns_plugin_enabled',
    help: 'Plugins of each server and zone that has prometheus.',
    labels: ['server', 'zone', 'view', 'name'],
  })
  const block = blocks().find(candidate => candidate.zones === zones)
  for (const zone of zones) {
    for (const { name } of block?.plugins ?? []) enabled.set({ server, zone, view, name }, 1)
  }
}
