import { parseSpan } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import { gauge } from '../../metric.ts'
import type { PluginDefinition } from '../../plugin.ts'

/** Defaults and least values, milliseconds. */
const INTERVAL = { defaultMs: 30_000, minMs: 2_000 } as const
const JITTER = { defaultMs: 15_000, minMs: 1_000 } as const

/**
 * `reload`: looks at the Corefile, what it imports and the certificates it names every now and then, and serves it when something
 * changed. CoreDNS looks at no certificates.
 */
export const reload: PluginDefinition = {
  name: 'reload',
  repeatable: true,
  setup(directives, { corefile, metrics, log }) {
    // CoreDNS takes the last of several.
    const { intervalMs, jitterMs } = directives.map(parseReload).at(-1) ?? DEFAULTS
    const { hash } = corefile
    if (hash === undefined) {
      log.warn('reload: the Corefile did not come from a file, it is never reloaded')
      return { name: 'reload' }
    }
    let timer: NodeJS.Timeout | undefined
    let isStopped = false
    const schedule = (): void => {
      if (isStopped) return
      // Servers that were started together do not look together.
      const waitMs = intervalMs + Math.random() * jitterMs
      timer = setTimeout(() => void corefile.reloadIfChanged().finally(schedule), waitMs)
      timer.unref()
    }
    return {
      name: 'reload',
      start() {
        const version = gauge(metrics, {
          name: 'coredns_reload_version_info',
          help: 'The Corefile that is served, by its hash.',
          labels: ['hash', 'value'],
        })
        version.reset()
        version.set({ hash: 'sha512', value: hash }, 1)
        schedule()
      },
      stop() {
        isStopped = true
        clearTimeout(timer)
      },
    }
  },
}

type Timing = { readonly intervalMs: number; readonly jitterMs: number }

const DEFAULTS: Timing = { intervalMs: INTERVAL.defaultMs, jitterMs: JITTER.defaultMs }

function parseReload(directive: Directive): Timing {
  const [interval, jitter, ...more] = directive.args
  if (more.length > 0) throw directiveError(directive, 'takes an interval and a jitter, no more')
  const read = (
    text: string | undefined,
    { defaultMs, minMs }: typeof INTERVAL | typeof JITTER,
  ) => {
    if (text === undefined) return defaultMs
    const ms = parseSpan(text)
    if (ms !== undefined && ms >= minMs) return ms
    throw directiveError(directive, `'${text}' is not a duration of ${minMs / 1000}s or more`)
  }
  const intervalMs = read(interval, INTERVAL)
  // CoreDNS cuts a jitter that is too long for its interval, too.
  return { intervalMs, jitterMs: Math.min(read(jitter, JITTER), intervalMs / 2) }
}
