import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import type { Directive } from './parser.ts'

/** Collects what is wrong with the directives of one plugin, so that all of it is shown together. */
export class DirectiveProblems {
  readonly #plugin: string
  readonly #problems: ConfigProblem[] = []

  constructor(plugin: string) {
    this.#plugin = plugin
  }

  /** `message` says what is wrong and what would be right. */
  add({ name, position }: Directive, message: string): void {
    const field = name === this.#plugin ? name : `${this.#plugin} ${name}`
    this.#problems.push({ ...position, field, message })
  }

  /** @throws {ConfigError} when there was a problem. */
  throwIfAny(): void {
    if (this.#problems.length > 0) throw new ConfigError(this.#problems)
  }
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** The milliseconds of a duration such as `300ms`, `1.5s`, `1h20m` or `0`; undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined
  let sum = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-zµ]+)/g)) {
    sum += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0)
  }
  return sum
}

/** The whole number that a text is, if it lies in the range; else undefined. */
export function parseInteger(
  text: string | undefined,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined
  const value = Number(text)
  return value >= min && value <= max ? value : undefined
}
