const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Milliseconds that a duration as Go writes it means (`300ms`, `1h20m`, `1.5s`), or undefined. Never negative. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!/^(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined
  let total = 0
  for (const [, number, unit] of text.matchAll(/([0-9.]+)([a-zµ]+)/g)) {
    total += Number(number) * (UNITS_MS[unit ?? ''] ?? 0)
  }
  return total
}
