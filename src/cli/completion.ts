import { Argument, Command } from 'commander'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { bashCompletion } from './completion/bash.ts'
import { fishCompletion } from './completion/fish.ts'
import { completionTree } from './completion/tree.ts'
import { zshCompletion } from './completion/zsh.ts'
import { commands } from './registry.ts'

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }
type Shell = keyof typeof shells

/** `nodeplane completion`: a script made of the commands' own options, so that it knows what they know. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand(createCommand(), args, io, async (_options, [shell]) => {
    io.stdout.write(shells[shell as Shell](await completionTree(commands)))
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane completion')
      .description('Prints a script that makes a shell complete commands, options and values.')
      .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(shells)))
      .allowExcessArguments(false),
    [
      'source <(nodeplane completion bash)',
      'nodeplane completion fish > ~/.config/fish/completions/nodeplane.fish',
    ],
  )
