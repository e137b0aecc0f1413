import { listNftMap, listNftTable } from '#linux/nft-listing.ts'
import { createNftWriter } from '#linux/nft-writer.ts'
import { familyOf, type IpFamily } from '#net/ip.ts'
import type { Backend, BackendModule, BackendOptions } from '../backend.ts'
import { localDetector } from '../local-detector.ts'
import { DEFAULT_TABLE_NAME, type ProxySettings } from '../settings.ts'
import { NftablesBackend, recover } from './backend.ts'
import { cleanup } from './cleanup.ts'
import { type DescribeOptions, describeTable, diffTable } from './describe.ts'
import { type LayoutOptions, renderLayout } from './layout.ts'
import type { OwnNode } from './route.ts'
import type { Table } from './table.ts'

/** Mode nftables: a table of ours in each family. */
export const nftables: BackendModule = {
  open,
  cleanup,
  describe: (options, states) => describeTable(described(options), states),
  async diff(options, states, signal) {
    const wanted = described(options)
    const { table } = wanted.options
    const listed = await listNftTable(table, signal)
    return diffTable(wanted, states, recover(table.family, listed, wanted.layout))
  },
}

async function open(options: BackendOptions): Promise<Backend> {
  return new NftablesBackend({
    ...layoutOptions(options),
    node: ownNode(options),
    writer: await createNftWriter(),
    list: listNftTable,
    listMap: listNftMap,
  })
}

function described(options: BackendOptions): DescribeOptions {
  const layout = layoutOptions(options)
  return { options: layout, layout: renderLayout(layout), node: ownNode(options) }
}

function layoutOptions({ family, settings }: BackendOptions): LayoutOptions {
  const detector = localDetector(settings, family)
  return {
    table: tableOf(family, settings),
    clusterCIDR: detector?.by === 'source' ? detector.prefix : undefined,
    masqueradeAll: settings.masqueradeAll,
    nodePortAddresses: settings.nodePortAddresses.filter(prefix => prefix.family === family),
  }
}

const ownNode = ({ family, settings }: BackendOptions): OwnNode => ({
  nodeName: settings.nodeName,
  nodeIPs: (settings.nodeIPs ?? []).filter(ip => familyOf(ip) === family),
})

const tableOf = (
  family: IpFamily,
  { tableName = DEFAULT_TABLE_NAME }: Pick<ProxySettings, 'tableName'>,
): Table => ({ family, name: tableName })
