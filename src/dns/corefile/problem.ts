import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import type { Directive } from './directive.ts'

/** The error of a directive that cannot be used: where it stands, its name, and what would be right. */
export const directiveError = (
  { name, position }: Pick<Directive, 'name' | 'position'>,
  message: string,
): ConfigError => new ConfigError([{ ...position, field: name, message }])

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
