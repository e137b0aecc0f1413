import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Connection, openSource } from '#cluster/open-source.ts'
import { Store } from '#cluster/store.ts'
import { programmingFaults } from '#proxy/config/families.ts'
import type { ProxyConfig } from '#proxy/config/schema.ts'
import { describeRules, diffRules, type InspectOptions, renderDifferences } from '#proxy/inspect.ts'
import { type PrepareOptions, prepare } from '#proxy/prepare.ts'
import { wantedByProxyService } from '#proxy/service.ts'
import type { Logger } from '#runtime/log.ts'
import { runTogether } from '#runtime/run-together.ts'
import { EXIT_FAILURE, EXIT_OK } from './command-line.ts'
import { nodeWaitMs } from './standalone-proxy.ts'

export type InspectProxyOptions = {
  readonly config: ProxyConfig
  readonly nodeName: string
  readonly objects: Connection
  readonly log: Logger
  readonly stdout: Writable
}

/** `--dry-run`: prints what would be written. Gives the exit code. */
export function printRules(options: InspectProxyOptions, stop: AbortSignal): Promise<number> {
  return withCluster(options, stop, async (inspected, signal) => {
    const lines = Readable.from(withNewlines(describeRules(inspected, signal)))
    await pipeline(lines, options.stdout, { end: false, signal })
    return EXIT_OK
  })
}

/** `proxy diff`: prints in what the kernel differs from what should be. Gives the exit code: 1 when it does. */
export function printDifferences(options: InspectProxyOptions, stop: AbortSignal): Promise<number> {
  return withCluster({ ...options, faults: programmingFaults }, stop, async (inspected, signal) => {
    const differences = await diffRules(inspected, signal)
    const { families, mode } = inspected.settings
    const equal = `no difference (${mode}, ${families.map(family => `IPv${family}`).join(' and ')})\n`
    options.stdout.write(differences.length === 0 ? equal : renderDifferences(differences))
    return differences.length === 0 ? EXIT_OK : EXIT_FAILURE
  })
}

/** Reads the cluster for as long as `act` works on it. */
async function withCluster(
  { config, nodeName, objects, log, faults }: InspectProxyOptions & Pick<PrepareOptions, 'faults'>,
  stop: AbortSignal,
  act: (inspected: InspectOptions, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const store = new Store()
  const wanted = wantedByProxyService(nodeName, config)
  const source = await openSource(objects, { wanted, log })
  const done = new AbortController()
  let exitCode = EXIT_FAILURE
  const wait = nodeWaitMs(objects)
  await runTogether(
    [
      signal => source.run(store, signal),
      async signal => {
        const node = { config, nodeName, store, nodeWaitMs: wait, log, faults }
        const { settings } = await prepare(node, signal)
        exitCode = await act({ store, settings, log }, signal)
        done.abort()
      },
    ],
    AbortSignal.any([stop, done.signal]),
  )
  return exitCode
}

async function* withNewlines(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`
}
