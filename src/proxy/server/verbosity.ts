import type { HttpRoutes } from '#runtime/http-server.ts'
import type { LogLevel } from '#runtime/log.ts'

/** klog's verbosity in our levels. */
export const levelOf = (verbosity: number): LogLevel =>
  verbosity >= 6 ? 'trace' : verbosity >= 3 ? 'debug' : 'info'

/** `curl -X PUT -d 4 …/debug/flags/v`: changes what is logged while the proxy runs (component-base, GlogSetter). */
export const verbosityRoute = (setLevel: (level: LogLevel) => void): HttpRoutes => ({
  'PUT /debug/flags/v': async (_query, text) => {
    const verbosity = (await text()).trim()
    if (!/^[0-9]{1,9}$/.test(verbosity)) {
      const body = `failed set klog.logging.verbosity ${JSON.stringify(verbosity)}: not a number`
      return { status: 400, body }
    }
    setLevel(levelOf(Number(verbosity)))
    return { status: 200, body: `successfully set klog.logging.verbosity to ${verbosity}` }
  },
})
