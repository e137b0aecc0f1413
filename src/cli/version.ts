import { release } from 'node:os'
import { Command } from 'commander'
import { version } from '#runtime/version.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'

/** `nodeplane version`: what runs here; the first word of a report about a fault. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<{ readonly output?: OutputFormat }>(createCommand(), args, io, async ({ output }) => {
    io.stdout.write(
      await printAs(output, versionFacts(), ({ version }) => `nodeplane ${version}\n`),
    )
    return EXIT_OK
  })

/** The versions of the product, of its runtime and of the kernel it sees. */
export const versionFacts = () => ({
  version,
  node: process.versions.node,
  platform: `${process.platform}/${process.arch}`,
  kernel: release(),
})

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane version')
      .description('Prints the version; with -o those of runtime and kernel too.')
      .addOption(outputOption(['json', 'yaml']))
      .allowExcessArguments(false),
    ['nodeplane version', 'nodeplane version -o json'],
  )
