import { childWriter } from '#linux/nft.ts'
import { listNftCounters, listNftMap, listNftTable } from '#linux/nft-listing.ts'
import { NftMonitor } from '#linux/nft-monitor.ts'
import { createNftWriter } from '#linux/nft-writer.ts'
import { ensureSysctl, readSysctl } from '#linux/sysctl.ts'
import { familyOf, type IpFamily, ipFamilies } from '#net/ip.ts'
import type { Backend, BackendModule, BackendOptions } from '../backend.ts'
import { localDetector } from '../local-detector.ts'
import { DEFAULT_TABLE_NAME, type ProxySettings } from '../settings.ts'
import { NftablesBackend } from './backend.ts'
import { selectsLoopback } from './localhost.ts'
import { renderRemoval } from './render.ts'
import type { Table } from './table.ts'

/** Mode nftables: a table of ours in each family. */
export const nftables: BackendModule = { open, cleanup }

async function open({ family, settings, clock }: BackendOptions): Promise<Backend> {
  const nodePortAddresses = settings.nodePortAddresses.filter(prefix => prefix.family === family)
  const localhostNodePorts =
    settings.localhostNodePorts === true && selectsLoopback(nodePortAddresses, family)
  if (localhostNodePorts && family === 4) ensureSysctl(ROUTE_LOCALNET, '1')
  const table = tableOf(family, settings)
  const watch = NftMonitor.open(table)
  return new NftablesBackend({
    table,
    detector: localDetector(settings, family),
    masqueradeAll: settings.masqueradeAll,
    nodePortAddresses,
    localhostNodePorts,
    dropInvalid: !isTcpBeLiberal(),
    node: {
      nodeName: settings.nodeName,
      nodeIPs: (settings.nodeIPs ?? []).filter(ip => familyOf(ip) === family),
    },
    writer: await createNftWriter(pid => watch.ignore(pid)),
    list: listNftTable,
    listMap: listNftMap,
    listCounters: listNftCounters,
    watch,
    clock,
  })
}

/** Connections of 127.0.0.1 may leave by other links; what comes in to it by them is the layout's to drop. */
const ROUTE_LOCALNET = 'net/ipv4/conf/all/route_localnet'

/** Does conntrack take all segments of a connection for valid? It is asked once, as by kube-proxy. */
function isTcpBeLiberal(): boolean {
  try {
    return readSysctl('net/netfilter/nf_conntrack_tcp_be_liberal') !== '0'
  } catch {
    // Conntrack is loaded by the first rule that needs it, and starts out strict.
    return false
  }
}

async function cleanup(_: unknown, signal: AbortSignal): Promise<void> {
  const removals = ipFamilies.map(family =>
    childWriter.apply(renderRemoval(tableOf(family, {})), signal),
  )
  const failed = (await Promise.allSettled(removals)).find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason as Error
}

const tableOf = (
  family: IpFamily,
  { tableName = DEFAULT_TABLE_NAME }: Pick<ProxySettings, 'tableName'>,
): Table => ({ family, name: tableName })
