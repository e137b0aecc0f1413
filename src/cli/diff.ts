import { Command } from 'commander'
import { getView } from '#agent/view/client.ts'
import type { DifferenceView, DiffView } from '#agent/view/types.ts'
import { type SocketOption, socketOption } from './agent-socket.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { printable } from './output/table.ts'

type Options = SocketOption & { readonly output?: OutputFormat }

/** `nodeplane diff`: in what the kernel differs from what the agent should have written; 1 when it does, or is not known. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async ({ socket, output }) => {
    const view = await getView<DiffView>(socket, 'diff')
    if (view === undefined) throw new Error(`the agent at ${socket} is of another version`)
    io.stdout.write(await printAs(output, view, diffText))
    const isEqual = view.every(
      ({ unknown, differences }) => unknown === undefined && differences.length === 0,
    )
    return isEqual ? EXIT_OK : EXIT_FAILURE
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane diff')
      .description(
        'Compares the kernel with what the agent of this node should have written: Service rules, routes, what CNI made for live pods, node-local DNS. The exit status is 1 when they differ.',
      )
      .addOption(outputOption(['json', 'yaml']))
      .addOption(socketOption())
      .allowExcessArguments(false),
    ['nodeplane diff', 'nodeplane diff -o json'],
  )

/** Part by part; `+` is missing, `-` too much, and a change is both, as in `nodeplane proxy diff`. */
export const diffText = (view: DiffView): string =>
  view
    .flatMap(({ part, unknown, differences }) => {
      if (unknown !== undefined) return [`${part}: not known: ${unknown}`]
      if (differences.length === 0) return [`${part}: no difference`]
      return [`${part}:`, ...differences.flatMap(differenceLines)]
    })
    .map(line => `${printable(line)}\n`)
    .join('')

const differenceLines = ({ place, wanted, found }: DifferenceView): readonly string[] => [
  ...(found === undefined ? [] : [`- ${place}: ${found}`]),
  ...(wanted === undefined ? [] : [`+ ${place}: ${wanted}`]),
]
