import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Metrics } from '#runtime/metrics.ts'
import { parseSpan } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import type { HttpAddress } from '../../http-sites.ts'
import { counter, histogram } from '../../metric.ts'
import type { PluginDefinition } from '../../plugin.ts'
import { httpAddressOf } from '../http-address.ts'

/** How often the server asks itself, milliseconds. */
const SELF_CHECK_MS = 1000
/** CoreDNS's coarse buckets, seconds. */
const BUCKETS = [0.00025, 0.0025, 0.025, 0.25, 2.5]

/** `health`: /health says OK as long as the process lives; on a stop it goes on serving for the lameduck time. */
export const health: PluginDefinition = {
  name: 'health',
  repeatable: true,
  setup(directives, { http, metrics }) {
    // CoreDNS takes the last of several.
    const { address, lameduckMs } = directives.map(parseHealth).at(-1) ?? DEFAULTS
    http.serve(address, '/health', () => ({ status: 200, body: 'OK' }))
    let timer: NodeJS.Timeout | undefined
    return {
      name: 'health',
      start() {
        const check = selfCheck(address, metrics)
        timer = setInterval(check, SELF_CHECK_MS)
        timer.unref()
      },
      shutdown: async () => void (lameduckMs > 0 && (await sleep(lameduckMs))),
      stop: () => clearInterval(timer),
    }
  },
}

const DEFAULTS = { address: { host: '', port: 8080 }, lameduckMs: 0 }

function parseHealth(directive: Directive): { address: HttpAddress; lameduckMs: number } {
  const { block = [] } = directive
  const address = httpAddressOf(directive, ':8080')
  let lameduckMs = 0
  for (const line of block) {
    if (line.name !== 'lameduck') {
      throw directiveError(line, `unknown option '${line.name}', there is: lameduck`)
    }
    const [text = '', ...more] = line.args
    const ms = parseSpan(text)
    if (ms === undefined || more.length > 0) {
      throw directiveError(line, `'${line.args.join(' ')}' is no duration, write for example 5s`)
    }
    lameduckMs = ms
  }
  return { address, lameduckMs }
}

/** A busy process answers itself late: the metric shows overload from the inside. */
function selfCheck({ host, port }: HttpAddress, metrics: Metrics): () => void {
  const durations = histogram(metrics, {
    name: 'coredns_health_request_duration_seconds',
    help: 'Time of the request for /health that the server makes to itself.',
    buckets: BUCKETS,
  })
  const failures = counter(metrics, {
    name: 'coredns_health_request_failures_total',
    help: 'Requests for /health to itself that failed.',
  })
  return () => {
    const start = performance.now()
    const options = { host: host === '' ? 'localhost' : host, port, path: '/health', timeout: 5000 }
    const request = get(options, response => {
      response.resume()
      durations.observe((performance.now() - start) / 1000)
    })
    request.on('timeout', () => request.destroy(new Error('timeout')))
    request.on('error', () => failures.inc())
  }
}
