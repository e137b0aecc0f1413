import { Command } from 'commander'
import { getView } from '#agent/view/client.ts'
import type { PodView } from '#agent/view/types.ts'
import { type SocketOption, socketOption } from './agent-socket.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { table } from './output/table.ts'

type Options = SocketOption & { readonly output?: OutputFormat }

/** `nodeplane cni list`: the interfaces that this node's pods have. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async ({ socket, output }) => {
    const pods = (await getView<readonly PodView[]>(socket, 'pods')) ?? []
    io.stdout.write(await printAs(output, pods, listing))
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane cni list')
      .description('Lists the interfaces that CNI calls have made, with their pods and addresses.')
      .addOption(outputOption())
      .addOption(socketOption())
      .allowExcessArguments(false),
    ['nodeplane cni list', 'nodeplane cni list -o wide'],
  )

const listing = (pods: readonly PodView[], how: { readonly isWide: boolean }): string =>
  table(
    pods,
    [
      { title: 'POD', value: ({ pod }) => pod },
      { title: 'INTERFACE', value: each => each.interface },
      { title: 'ADDRESSES', value: ({ addresses }) => addresses.join(',') },
      { title: 'NETWORK', value: ({ network }) => network },
      { title: 'HOST-INTERFACE', value: ({ hostInterface }) => hostInterface },
      { title: 'CONTAINER', value: ({ containerId }) => containerId, isWide: true },
      { title: 'NAMESPACE-PATH', value: ({ netns }) => netns, isWide: true },
    ],
    how,
  )
