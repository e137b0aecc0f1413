import { Command } from 'commander'
import { getView } from '#agent/view/client.ts'
import type { ServiceView, TrafficView } from '#agent/view/types.ts'
import { type SocketOption, socketOption } from './agent-socket.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { table } from './output/table.ts'
import { portText } from './service-list.ts'

type Options = SocketOption & { readonly output?: OutputFormat; readonly namespace?: string }
type Row = TrafficView & { readonly service: string; readonly port: string }

/** `nodeplane service counters`: what went through each service port, the busiest first. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async ({ socket, output, namespace }) => {
    const services = (await getView<readonly ServiceView[]>(socket, 'services')) ?? []
    const rows = rowsOf(
      services.filter(each => namespace === undefined || each.namespace === namespace),
    )
    if (rows.length === 0) io.stderr.write('nothing is counted: the mode has no counters\n')
    io.stdout.write(await printAs(output, rows, listing))
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane service counters')
      .description(
        'Shows the connections, packets and bytes of each service port since its rules were made, the busiest first.',
      )
      .option('-n, --namespace <name>', 'only those of a namespace')
      .addOption(outputOption(['json', 'yaml']))
      .addOption(socketOption())
      .allowExcessArguments(false),
    ['nodeplane service counters', 'nodeplane service counters -n shop -o json'],
  )

const rowsOf = (services: readonly ServiceView[]): readonly Row[] =>
  services
    .flatMap(({ namespace, name, ports }) =>
      ports.flatMap(port =>
        port.traffic === undefined
          ? []
          : [{ service: `${namespace}/${name}`, port: portText(port), ...port.traffic }],
      ),
    )
    .toSorted((a, b) => b.bytes - a.bytes || b.connections - a.connections)

const listing = (rows: readonly Row[]): string =>
  table(rows, [
    { title: 'SERVICE', value: ({ service }) => service },
    { title: 'PORT', value: ({ port }) => port },
    { title: 'CONNECTIONS', value: ({ connections }) => connections },
    { title: 'PACKETS', value: ({ packets }) => packets },
    { title: 'BYTES', value: ({ bytes }) => bytes },
  ])
