import { Command } from 'commander'
import { getView } from '#agent/view/client.ts'
import type { ServiceView } from '#agent/view/types.ts'
import { type SocketOption, socketOption } from './agent-socket.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { table } from './output/table.ts'

type Options = SocketOption & { readonly output?: OutputFormat; readonly namespace?: string }

/** `nodeplane service list`: the Services as this node serves them. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async ({ socket, output, namespace }) => {
    const all = (await getView<readonly ServiceView[]>(socket, 'services')) ?? []
    const chosen = all.filter(each => namespace === undefined || each.namespace === namespace)
    io.stdout.write(await printAs(output, chosen, (services, how) => listing(services, how)))
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane service list')
      .description('Lists the Services, and how many of their endpoints are ready.')
      .option('-n, --namespace <name>', 'only those of a namespace')
      .addOption(outputOption())
      .addOption(socketOption())
      .allowExcessArguments(false),
    ['nodeplane service list', 'nodeplane service list -n kube-system -o wide'],
  )

const listing = (services: readonly ServiceView[], how: { readonly isWide: boolean }): string =>
  table(
    services,
    [
      { title: 'NAMESPACE', value: ({ namespace }) => namespace },
      { title: 'NAME', value: ({ name }) => name },
      { title: 'TYPE', value: ({ type }) => type },
      {
        title: 'CLUSTER-IP',
        value: ({ clusterIPs, externalName }) => externalName ?? clusterIPs.join(','),
      },
      { title: 'EXTERNAL-IP', value: ({ externalIPs }) => externalIPs.join(','), isWide: true },
      { title: 'PORTS', value: ({ ports }) => ports.map(portText).join(',') },
      {
        title: 'READY',
        value: ({ ports }) =>
          ports.map(({ ready, endpoints }) => `${ready}/${endpoints}`).join(','),
      },
    ],
    how,
  )

/** As kubectl: `80/TCP`, `80:30080/TCP`. */
export const portText = ({ port, nodePort, protocol }: ServiceView['ports'][number]): string =>
  `${port}${nodePort === undefined ? '' : `:${nodePort}`}/${protocol}`
