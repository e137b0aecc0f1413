import { ConfigError } from '#runtime/error.ts'
import type { Directive } from './parser.ts'

/** The error of a directive that cannot be used: where it stands, its name, and what would be right. */
export const directiveError = (
  { name, position }: Pick<Directive, 'name' | 'position'>,
  message: string,
): ConfigError => new ConfigError([{ ...position, field: name, message }])
