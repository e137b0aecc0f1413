import { Command } from 'commander'
import { getView } from '#agent/view/client.ts'
import type { RoutesView } from '#agent/view/types.ts'
import { type SocketOption, socketOption } from './agent-socket.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { table } from './output/table.ts'

type Options = SocketOption & { readonly output?: OutputFormat }

/** `nodeplane routes`: how packets get to the pods of other nodes. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async ({ socket, output }) => {
    const view = await getView<RoutesView>(socket, 'routes')
    if (view === undefined) {
      io.stderr.write('routes are not this agent’s: its configuration has routes: false\n')
      return EXIT_OK
    }
    io.stdout.write(await printAs(output, view, listing))
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane routes')
      .description('Shows the nodes, the ranges of their pods, and how packets get there.')
      .addOption(outputOption())
      .addOption(socketOption())
      .allowExcessArguments(false),
    ['nodeplane routes', 'nodeplane routes -o yaml'],
  )

const listing = ({ nodes }: RoutesView, how: { readonly isWide: boolean }): string =>
  table(
    nodes,
    [
      { title: 'NODE', value: ({ node }) => node },
      { title: 'POD-CIDRS', value: ({ podCIDRs }) => podCIDRs.join(',') },
      { title: 'ADDRESSES', value: ({ addresses }) => addresses.join(',') },
      { title: 'VIA', value: ({ via }) => via },
      { title: 'REASON', value: ({ reason }) => reason, isWide: true },
    ],
    how,
  )
