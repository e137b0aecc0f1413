import type { Directive } from '../../corefile/directive.ts'
import type { PluginDefinition } from '../../plugin.ts'
import { type HttpLimits, readHttpLimits } from '../http-limits.ts'

/** `https`: limits of `https://`. The server reads it before it plans its listeners; nothing is left to set up. */
export const https: PluginDefinition = {
  name: 'https',
  repeatable: false,
  setup: () => ({ name: 'https' }),
}

/** What the `https` of a block says; empty without. @throws {ConfigError} */
export const httpsLimits = (directives: readonly Directive[]): HttpLimits =>
  readHttpLimits(directives, { plugin: 'https', names: ['max_connections'] })
