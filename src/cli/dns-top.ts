import { Command } from 'commander'
import { getView } from '#agent/view/client.ts'
import type { DnsView } from '#agent/view/types.ts'
import { type SocketOption, socketOption } from './agent-socket.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { noDnsHere } from './no-dns-here.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { table } from './output/table.ts'

type Options = SocketOption & { readonly output?: OutputFormat }
type Top = Pick<DnsView, 'topNames' | 'topClients'>

/** `nodeplane dns top`: the names that were asked for most in the last minutes, and who asked most. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async ({ socket, output }) => {
    const view = await getView<DnsView>(socket, 'dns')
    if (view === undefined) return noDnsHere(io)
    const { topNames, topClients } = view
    io.stdout.write(await printAs(output, { topNames, topClients }, listing))
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane dns top')
      .description(
        'Shows the 20 names that were asked for most in the last 2.5 to 5 minutes, and the 20 clients that asked most.',
      )
      .addOption(outputOption(['json', 'yaml']))
      .addOption(socketOption())
      .allowExcessArguments(false),
    ['nodeplane dns top', 'nodeplane dns top -o json'],
  )

function listing({ topNames, topClients }: Top): string {
  const names = table(topNames, [
    { title: 'QUERIES', value: ({ count }) => count },
    { title: 'TYPE', value: ({ type }) => type },
    { title: 'NAME', value: ({ name }) => name },
  ])
  const clients = table(topClients, [
    { title: 'QUERIES', value: ({ count }) => count },
    { title: 'CLIENT', value: ({ address }) => address },
    { title: 'POD', value: ({ pod }) => pod },
  ])
  return `${names}\n${clients}`
}
