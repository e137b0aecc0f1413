import { parsePrefix } from '#net/prefix.ts'
import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import type { Directive } from './parser.ts'
import { parseZones } from './zone-key.ts'

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

/** The zones that arguments of a directive mean; what is none is a problem. */
export function readZones(
  directive: Directive,
  texts: readonly string[],
  problems: DirectiveProblems,
): readonly string[] {
  return texts.flatMap(text => {
    // An address with an impossible length would pass as a name.
    const isBadPrefix = /^[0-9a-f.:]+\/[0-9]+$/i.test(text) && parsePrefix(text) === undefined
    const zones = isBadPrefix ? undefined : parseZones(text)
    if (zones === undefined) problems.add(directive, `${JSON.stringify(text)} is no zone`)
    return zones ?? []
  })
}
