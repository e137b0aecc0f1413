import { Command } from 'commander'
import { type JudgedLease, judgedLeases } from '#agent/leases.ts'
import { AgentUnreachableError, getView } from '#agent/view/client.ts'
import type { AttachmentView } from '#agent/view/types.ts'
import { readLeaseStores } from '#cni/host-local/lease-stores.ts'
import { listNamespaces } from '#linux/namespace-list.ts'
import { describeError } from '#runtime/error.ts'
import { type SocketOption, socketOption } from './agent-socket.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { printable, table } from './output/table.ts'

type Options = SocketOption & {
  readonly output?: OutputFormat
  readonly network?: string
  readonly cniConfDir: string
}

type Range = {
  readonly network: string
  readonly range: string
  readonly leased: number
  readonly free: number
  readonly total: number
}
type Leases = { readonly ranges: readonly Range[]; readonly leases: readonly JudgedLease[] }

/** `nodeplane cni leases`: who has which address of host-local's ranges. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async options => {
    const leases = await leasesOf(options, io)
    io.stdout.write(await printAs(options.output, leases, listing))
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane cni leases')
      .description(
        'Lists the addresses that host-local has handed out, and how many are free. STATE is live, gone (the container has ended: cni gc gives the address back) or orphan (nobody on this node knows of the container, and no namespace has the address).',
      )
      .option('--network <name>', 'only this one')
      .option('--cni-conf-dir <dir>', 'configurations of pod networks', '/etc/cni/net.d')
      .addOption(outputOption())
      .addOption(socketOption())
      .allowExcessArguments(false),
    ['nodeplane cni leases', 'nodeplane cni leases --network podnet -o wide'],
  )

async function leasesOf(
  { network, cniConfDir, socket }: Options,
  { stderr }: CommandIo,
): Promise<Leases> {
  const warn = (what: string) => stderr.write(`nodeplane: ${printable(what)}\n`)
  const stores = readLeaseStores(cniConfDir, (file, error) =>
    warn(`${file}: ${describeError(error)}`),
  ).filter(store => network === undefined || store.network === network)
  const seen = new Set(
    listNamespaces().flatMap(({ addresses }) => addresses.map(({ address }) => address)),
  )
  const attachments = await attachmentsOf(socket, warn)
  const witnesses = { attachments, isSeen: seen.has.bind(seen) }
  return {
    ranges: stores.flatMap(({ network, ranges }) =>
      ranges.map(({ range, size, leased: { length } }) => {
        return { network, range, leased: length, free: Math.max(0, size - length), total: size }
      }),
    ),
    leases: stores.flatMap(store => judgedLeases(store, witnesses)),
  }
}

/** An agent that does not run is no obstacle: namespaces still tell who lives. */
async function attachmentsOf(
  socket: string,
  warn: (what: string) => void,
): Promise<readonly AttachmentView[]> {
  try {
    return (await getView<readonly AttachmentView[]>(socket, 'attachments')) ?? []
  } catch (error) {
    if (!(error instanceof AgentUnreachableError)) throw error
    warn(`${error.message}; containers are known by their namespaces alone`)
    return []
  }
}

function listing({ ranges, leases }: Leases, how: { readonly isWide: boolean }): string {
  const rangeRows = table(ranges, [
    { title: 'NETWORK', value: ({ network }) => network },
    { title: 'RANGE', value: ({ range }) => range },
    { title: 'LEASED', value: ({ leased }) => leased },
    { title: 'FREE', value: ({ free }) => free },
    { title: 'TOTAL', value: ({ total }) => total },
  ])
  const leaseRows = table(
    leases,
    [
      { title: 'NETWORK', value: ({ network }) => network },
      { title: 'ADDRESS', value: ({ address }) => address },
      { title: 'STATE', value: ({ state }) => state },
      { title: 'POD', value: ({ pod }) => pod },
      { title: 'INTERFACE', value: ({ ifname }) => ifname },
      {
        title: 'CONTAINER',
        value: ({ containerId }) => (how.isWide ? containerId : containerId.slice(0, 13)),
      },
    ],
    how,
  )
  return leases.length === 0 ? rangeRows : `${rangeRows}\n${leaseRows}`
}
