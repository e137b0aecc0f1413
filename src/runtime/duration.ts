/** Milliseconds of each unit that Go's durations have. */
const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** The milliseconds of a duration as Go writes it (`30s`, `15m0s`, `1.5h`, `-2m`), or undefined (time.ParseDuration). */
export function parseDuration(text: string): number | undefined {
  const [, sign, rest = ''] = /^([+-]?)(.*)$/s.exec(text) ?? []
  if (rest === '0') return 0
  if (!/^((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined
  let ms = 0
  for (const [, amount, unit = ''] of rest.matchAll(/([\d.]+)([^\d.]+)/g)) {
    ms += Number(amount) * (unitMs[unit] as number)
  }
  return sign === '-' ? -ms : ms
}

/** A duration as Go prints it: `24h0m0s`, `1.5s`, `100ms`, `0s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  if (ms < 0) return `-${formatDuration(-ms)}`
  if (ms < 1) return ms < 1e-3 ? `${Math.round(ms * 1e6)}ns` : `${trim(ms * 1e3)}µs`
  if (ms < 1000) return `${trim(ms)}ms`
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor((ms % 3_600_000) / 60_000)
  const seconds = `${trim((ms % 60_000) / 1000)}s`
  if (hours > 0) return `${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${minutes}m${seconds}` : seconds
}

/** Nanoseconds at most, without the noise of binary fractions. */
const trim = (value: number): string => String(Number(value.toFixed(9)))
