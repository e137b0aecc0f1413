import { release } from 'node:os'
import { NftMonitor } from '#linux/nft-monitor.ts'
import { readNftCounters, readNftMap, readNftTable } from '#linux/nft-reader.ts'
import { createNftWriter } from '#linux/nft-writer.ts'
import { familyOf, type IpFamily } from '#net/ip.ts'
import type { Backend, BackendModule, BackendOptions, PrepareKernelOptions } from '../backend.ts'
import { dropsInvalid } from '../invalid-segments.ts'
import { localDetector } from '../local-detector.ts'
import { nodePortPrefixes } from '../node-port-addresses.ts'
import { isLocalhostRouted, LOCALHOST_NOTE, routeLocalhost } from '../route-localnet.ts'
import { DEFAULT_TABLE_NAME, type ProxySettings } from '../settings.ts'
import { NftablesBackend } from './backend.ts'
import { cleanup } from './cleanup.ts'
import { type DescribeOptions, describeTable, diffTable } from './describe.ts'
import { type LayoutOptions, renderLayout } from './layout.ts'
import { selectsLoopback } from './localhost.ts'
import { recover } from './recover.ts'
import type { OwnNode } from './route.ts'
import type { Table } from './table.ts'
import { tryLayout } from './trial.ts'

/** Mode nftables: a table of ours in each family. */
export const nftables: BackendModule = {
  async prepareKernel(options) {
    withKernel(layoutOptions(options), () => routeLocalhost(options.log))
  },
  open,
  hasLocalhostNodePorts,
  cleanup,
  *describe(options, states) {
    const layout = layoutOptions(options)
    if (layout.localhostNodePorts && options.family === 4) yield LOCALHOST_NOTE
    yield* describeTable(described(options, layout), states)
  },
  async diff(options, states, signal) {
    const wanted = described(options, withKernel(layoutOptions(options), isLocalhostRouted))
    const { table } = wanted.options
    const listed = await readNftTable(table, signal)
    return await diffTable(wanted, states, recover(table.family, listed, wanted.layout))
  },
}

async function open(options: BackendOptions): Promise<Backend> {
  const layout = withKernel(layoutOptions(options), () => routeLocalhost(options.log))
  const { family, name } = layout.table
  const { programTimeoutMs: timeoutMs } = options.settings
  await tryLayout(layout, { release: release(), timeoutMs })
  const watch = NftMonitor.open({ family, concerns: (_, { table }) => table === name })
  return new NftablesBackend({
    ...layout,
    node: ownNode(options),
    serviceCIDRs: options.serviceCIDRs,
    writer: await createNftWriter({ onStart: pid => watch.ignore(pid), timeoutMs }),
    list: readNftTable,
    listMap: readNftMap,
    listCounters: readNftCounters,
    watch,
    clock: options.clock,
  })
}

function described(options: BackendOptions, layout: LayoutOptions): DescribeOptions {
  const serviceCIDRs = options.serviceCIDRs()
  return { options: layout, layout: renderLayout(layout), node: ownNode(options), serviceCIDRs }
}

/** Without node ports on loopback where the kernel does not route them; in IPv6 nothing needs to be set. */
const withKernel = (layout: LayoutOptions, canRoute: () => boolean): LayoutOptions => ({
  ...layout,
  localhostNodePorts: layout.localhostNodePorts && (layout.table.family === 6 || canRoute()),
})

function layoutOptions({ family, settings }: PrepareKernelOptions): LayoutOptions {
  return {
    table: tableOf(family, settings),
    detector: localDetector(settings, family),
    masqueradeAll: settings.masqueradeAll,
    nodePortAddresses: nodePortPrefixes(settings, family),
    localhostNodePorts: hasLocalhostNodePorts(settings, family),
    dropInvalid: dropsInvalid(settings),
  }
}

function hasLocalhostNodePorts(settings: ProxySettings, family: IpFamily): boolean {
  const prefixes = nodePortPrefixes(settings, family)
  return settings.localhostNodePorts === true && selectsLoopback(prefixes, family)
}

const ownNode = ({ family, settings }: BackendOptions): OwnNode => ({
  nodeName: settings.nodeName,
  nodeIPs: (settings.nodeIPs ?? []).filter(ip => familyOf(ip) === family),
})

const tableOf = (
  family: IpFamily,
  { tableName = DEFAULT_TABLE_NAME }: Pick<ProxySettings, 'tableName'>,
): Table => ({ family, name: tableName })
