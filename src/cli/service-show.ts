import { Command } from 'commander'
import { getView } from '#agent/view/client.ts'
import type { EndpointView, ServiceView } from '#agent/view/types.ts'
import { NodeplaneError } from '#runtime/error.ts'
import { type SocketOption, socketOption } from './agent-socket.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { table } from './output/table.ts'
import { portText } from './service-list.ts'

type Options = SocketOption & { readonly output?: OutputFormat; readonly namespace: string }
type Shown = ServiceView & { readonly endpoints: readonly EndpointView[] }

/** There is no such Service. */
class NoSuchServiceError extends NodeplaneError {
  readonly code = 'ERR_NO_SUCH_SERVICE'
}

/** `nodeplane service show`: one Service with each of its endpoints. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async (options, [name = '']) => {
    const { socket, output } = options
    const key = keyOf(name, options.namespace)
    const query = new URLSearchParams(key).toString()
    const [service, endpoints = []] = await Promise.all([
      getView<ServiceView>(socket, `service?${query}`),
      getView<readonly EndpointView[]>(socket, `endpoints?${query}`),
    ])
    if (service === undefined) {
      throw new NoSuchServiceError(`no Service ${key.name} in the namespace ${key.namespace}`)
    }
    io.stdout.write(await printAs(output, { ...service, endpoints }, description))
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane service show')
      .description('Shows a Service with its ports, counters and endpoints.')
      .argument('<name>', 'NAME or NAMESPACE/NAME')
      .option('-n, --namespace <name>', 'where the Service is', 'default')
      .addOption(outputOption(['json', 'yaml']))
      .addOption(socketOption())
      .allowExcessArguments(false),
    ['nodeplane service show shop/web', 'nodeplane service show kube-dns -n kube-system -o yaml'],
  )

function keyOf(operand: string, namespace: string): { namespace: string; name: string } {
  const [first = '', second] = operand.split('/', 2)
  return second === undefined ? { namespace, name: first } : { namespace: first, name: second }
}

function description({
  namespace,
  name,
  type,
  clusterIPs,
  ports,
  endpoints,
  ...rest
}: Shown): string {
  const head = [
    `Name:        ${namespace}/${name}`,
    `Type:        ${type}`,
    `Cluster IP:  ${(rest.externalName ?? clusterIPs.join(', ')) || '<none>'}`,
    ...(rest.externalIPs.length === 0 ? [] : [`External IP: ${rest.externalIPs.join(', ')}`]),
  ]
  const portRows = table(ports, [
    { title: 'PORT', value: portText },
    { title: 'NAME', value: ({ name }) => name },
    { title: 'READY', value: ({ ready, endpoints }) => `${ready}/${endpoints}` },
    { title: 'CONNECTIONS', value: ({ traffic }) => traffic?.connections ?? '-' },
    { title: 'PACKETS', value: ({ traffic }) => traffic?.packets ?? '-' },
    { title: 'BYTES', value: ({ traffic }) => traffic?.bytes ?? '-' },
  ])
  const endpointRows = table(endpoints, [
    { title: 'ENDPOINT', value: ({ address, port }) => addressAndPort(address, port) },
    { title: 'PORT', value: ({ portName, protocol }) => `${portName}/${protocol}` },
    { title: 'STATE', value: stateOf },
    { title: 'POD', value: ({ pod }) => pod },
    { title: 'NODE', value: ({ node }) => node },
    { title: 'ZONE', value: ({ zone }) => zone },
  ])
  return `${head.join('\n')}\n\n${portRows}\n${endpointRows}`
}

const addressAndPort = (address: string, port: number | undefined): string =>
  `${address.includes(':') ? `[${address}]` : address}:${port ?? '?'}`

function stateOf({ ready, serving, terminating }: EndpointView): string {
  if (terminating) return serving ? 'terminating, serving' : 'terminating'
  return ready ? 'ready' : 'not ready'
}
