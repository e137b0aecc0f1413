import type { Directive } from '../../corefile/directive.ts'
import type { PluginDefinition } from '../../plugin.ts'
import { type HttpLimits, readHttpLimits } from '../http-limits.ts'

/** `grpc_server`: limits of `grpc://`. The server reads it before it plans its listeners; nothing is left to set up. */
export const grpcServer: PluginDefinition = {
  name: 'grpc_server',
  repeatable: false,
  setup: () => ({ name: 'grpc_server' }),
}

/** What the `grpc_server` of a block says; empty without. @throws {ConfigError} */
export const grpcServerLimits = (directives: readonly Directive[]): HttpLimits =>
  readHttpLimits(directives, { plugin: 'grpc_server', names: ['max_connections', 'max_streams'] })
