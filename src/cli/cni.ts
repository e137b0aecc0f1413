import { Command } from 'commander'
import { serveConfigured } from '#cni/main.ts'
import { type CommandIo, runCommand } from './command-line.ts'
import { version } from './version.ts'

/** `nodeplane cni`: a CNI call on environment and stdin; the plugin is the configuration's `type`. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand(command(), args, io, () => serveConfigured(version, io))

const command = (): Command =>
  new Command('nodeplane cni')
    .description(
      'Answers one call of the CNI protocol: CNI_COMMAND and its kin in the environment, the configuration on stdin. ' +
        'Called by the name of a plugin (dist/cni/…) it is that plugin; called like this, the one that "type" names.',
    )
    .allowExcessArguments(false)
