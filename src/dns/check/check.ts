import { Store } from '#cluster/store.ts'
import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import { silentLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import type { Interfaces } from '../plugins/bind/plugin.ts'
import { Generation } from '../server/generation.ts'
import { type CorefileSource, readCorefile } from '../server/read-corefile.ts'
import { lintCorefile } from './lint.ts'

export type CorefileFindings = {
  /** A server would refuse to start with these. */
  readonly problems: readonly ConfigProblem[]
  /** A server would start, but hardly do what is wanted. */
  readonly warnings: readonly ConfigProblem[]
}

export type CheckOptions = {
  readonly source: CorefileSource
  readonly env: Readonly<Record<string, string | undefined>>
  readonly interfaces: Interfaces
}

/**
 * What is wrong with a Corefile, found as a server finds it: every plugin is set up, none is started, nothing is opened and no
 * cluster is asked.
 */
export async function checkCorefile({
  source,
  env,
  interfaces,
}: CheckOptions): Promise<CorefileFindings> {
  try {
    const { corefile, directory } = await readCorefile(source, env)
    const warnings = [...corefile.warnings, ...lintCorefile(corefile)]
    const problems = await problemsOf(
      Generation.build(corefile, {
        defaultPort: 53,
        interfaces,
        release: () => {},
        context: {
          directory,
          log: silentLogger(),
          metrics: createMetrics(),
          lines: { line: () => {} },
          cluster: { open: () => new Store() },
          corefile: { hash: undefined, reloadIfChanged: async () => {} },
          fail: () => {},
        },
      }),
    )
    return { problems, warnings }
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems, warnings: [] }
    throw error
  }
}

async function problemsOf(building: Promise<Generation>): Promise<readonly ConfigProblem[]> {
  try {
    const generation = await building
    await generation.stop()
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}
