import { writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { Command } from 'commander'
import { makeBundle } from '#agent/bundle/bundle.ts'
import { systemClock } from '#runtime/clock.ts'
import { ConfigError, describeError } from '#runtime/error.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { versionFacts } from './version.ts'

type Options = { readonly config: string; readonly root: string }

/** `nodeplane bundle`: an archive for whoever is asked for help; docs/doctor.md. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async (options, [file]) => {
    const nowMs = systemClock.now()
    const { archive, names } = await makeBundle(
      { ...options, nowMs, versions: versionFacts() },
      io.signal,
    )
    const path = file ?? defaultName(nowMs)
    await write(path, archive)
    const size = `${Math.ceil(archive.length / 1024)} KiB`
    io.stdout.write(
      `${path}: ${names.length} files, ${size}. Look into it before you pass it on.\n`,
    )
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane bundle')
      .description(
        "Writes an archive with this node's versions, configuration without secrets, rules, links, routes, settings, logs and what doctor finds.",
      )
      .argument('[file]', 'where to (default: nodeplane-HOST-TIME.tar.gz); it must not be there')
      .option('--config <file>', "the agent's configuration", '/etc/nodeplane/agent.yaml')
      .option('--root <dir>', "where the node's files are, seen from a container", '/')
      .allowExcessArguments(false),
    ['nodeplane bundle', 'nodeplane bundle /tmp/node-a.tar.gz --root /host'],
  )

const defaultName = (nowMs: number): string =>
  `nodeplane-${hostname()}-${new Date(nowMs).toISOString().replace(/[:.]/g, '-')}.tar.gz`

async function write(path: string, archive: Buffer): Promise<void> {
  try {
    await writeFile(path, archive, { flag: 'wx', mode: 0o600 })
  } catch (cause) {
    const message = `cannot be written: ${describeError(cause)}`
    throw new ConfigError([{ file: path, message }], { cause })
  }
}
