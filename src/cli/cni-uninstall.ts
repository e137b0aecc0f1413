import { Command } from 'commander'
import { uninstall } from '#cni/install/install.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'

/** `nodeplane cni uninstall`: removes what `nodeplane cni install` has written; docs/cni-install.md. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<{ readonly confDir: string }>(createCommand(), args, io, async ({ confDir }) => {
    uninstall({ confDir, say: line => io.stdout.write(`${line}\n`) })
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane cni uninstall')
      .description(
        'Removes the configuration and the executables that nodeplane cni install has written; what others have changed stays.',
      )
      .option(
        '--conf-dir <dir>',
        'the folder given to install, which notes all it wrote',
        '/etc/cni/net.d',
      )
      .allowExcessArguments(false),
    ['nodeplane cni uninstall', 'nodeplane cni uninstall --conf-dir /etc/rancher/cni/net.d'],
  )
