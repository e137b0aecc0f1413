import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import type { Directive } from '../corefile/directive.ts'
import {
  chain,
  endOfChain,
  type Handler,
  type Plugin,
  type PluginDefinition,
  type SetupContext,
} from '../plugin.ts'
import { registry } from '../plugins/registry.ts'
import { rootDirectory } from '../plugins/root/plugin.ts'

/** The plugins of a server block and what they are together. */
export type BlockSetup = {
  readonly plugins: readonly Plugin[]
  /** undefined: nothing in the block takes queries. */
  readonly handler: Handler | undefined
  /** May answers be given again without asking the plugins? Every one that takes part must allow it. */
  readonly fastPath: boolean
}

/**
 * Sets up the plugins of a block, in the order of the registry.
 * @throws {ConfigError} with the problems of all directives; what was set up is stopped again.
 */
export async function setupBlock(
  directives: readonly Directive[],
  context: SetupContext,
): Promise<BlockSetup> {
  const problems: ConfigProblem[] = []
  const plugins: Plugin[] = []
  const rooted = { ...context, directory: rootDirectory(directives, context.directory) }
  for (const { definition, uses } of await definitionsFor(directives, problems)) {
    try {
      plugins.push(await definition.setup(uses, rooted))
    } catch (error) {
      if (error instanceof ConfigError) {
        problems.push(...error.problems)
        continue
      }
      await stopPlugins(plugins)
      throw error
    }
  }
  if (problems.length > 0) {
    await stopPlugins(plugins)
    throw new ConfigError(problems)
  }
  const taking = plugins.filter(plugin => plugin.wrap !== undefined || plugin.observe !== undefined)
  return {
    plugins,
    handler: taking.length > 0 ? chain(plugins, endOfChain) : undefined,
    fastPath: taking.every(plugin => plugin.fastPath === true),
  }
}

/** Stops plugins, inner ones first. */
export async function stopPlugins(plugins: readonly Plugin[]): Promise<void> {
  for (const plugin of plugins.toReversed()) await plugin.stop?.()
}

/** Does the block forward or answer class CHAOS? Then its listener takes every class (CoreDNS: core/dnsserver/server.go). */
export const takesAnyClass = (directives: readonly Directive[]): boolean =>
  directives.some(({ name }) => name === 'forward' || name === 'chaos')

async function definitionsFor(
  directives: readonly Directive[],
  problems: ConfigProblem[],
): Promise<readonly { definition: PluginDefinition; uses: readonly Directive[] }[]> {
  const known = new Set(registry.map(({ name }) => name))
  for (const { name, position } of directives.filter(directive => !known.has(directive.name))) {
    problems.push({
      ...position,
      message: `unknown directive '${name}'; --plugins lists those there are`,
    })
  }
  const found: { definition: PluginDefinition; uses: readonly Directive[] }[] = []
  for (const { name, load, instead } of registry) {
    const uses = directives.filter(directive => directive.name === name)
    if (uses.length === 0) continue
    if (load === undefined) {
      const message = `'${name}' is a plugin of CoreDNS that is not supported; ${instead}`
      problems.push(...uses.map(({ position }) => ({ ...position, message })))
      continue
    }
    const definition = await load()
    if (!definition.repeatable) problems.push(...repeated(uses))
    problems.push(...lonely(definition, uses, directives))
    found.push({ definition, uses })
  }
  return found
}

function lonely(
  { needs }: PluginDefinition,
  uses: readonly Directive[],
  directives: readonly Directive[],
): readonly ConfigProblem[] {
  if (needs === undefined || directives.some(({ name }) => name === needs)) return []
  const message = `needs '${needs}' in the same server block, which is not there`
  return uses.map(({ name, position }) => ({ ...position, field: name, message }))
}

function repeated([first, ...more]: readonly Directive[]): readonly ConfigProblem[] {
  return more.map(({ name, position }) => ({
    ...position,
    field: name,
    message: `may stand once in a server block, and does in line ${first?.position.line} of ${first?.position.file}`,
  }))
}
