import { listNftMap, listNftTable } from '#linux/nft-listing.ts'
import { createNftWriter } from '#linux/nft-writer.ts'
import { familyOf, type IpFamily } from '#net/ip.ts'
import type { Backend, BackendModule, BackendOptions } from '../backend.ts'
import { localDetector } from '../local-detector.ts'
import { DEFAULT_TABLE_NAME, type ProxySettings } from '../settings.ts'
import { NftablesBackend } from './backend.ts'
import { cleanup } from './cleanup.ts'
import type { Table } from './table.ts'

/** Mode nftables: a table of ours in each family. */
export const nftables: BackendModule = { open, cleanup }

async function open({ family, settings }: BackendOptions): Promise<Backend> {
  const detector = localDetector(settings, family)
  return new NftablesBackend({
    table: tableOf(family, settings),
    clusterCIDR: detector?.by === 'source' ? detector.prefix : undefined,
    masqueradeAll: settings.masqueradeAll,
    nodePortAddresses: settings.nodePortAddresses.filter(prefix => prefix.family === family),
    node: {
      nodeName: settings.nodeName,
      nodeIPs: (settings.nodeIPs ?? []).filter(ip => familyOf(ip) === family),
    },
    writer: await createNftWriter(),
    list: listNftTable,
    listMap: listNftMap,
  })
}

const tableOf = (
  family: IpFamily,
  { tableName = DEFAULT_TABLE_NAME }: Pick<ProxySettings, 'tableName'>,
): Table => ({ family, name: tableName })
