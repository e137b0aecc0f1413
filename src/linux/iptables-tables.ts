import type { IpFamily } from '#net/ip.ts'
import { type Iptables, type IptablesFlavour, installedIptables } from './iptables.ts'
import { listNftTableNames } from './nft-tables.ts'
import { legacyTables } from './xtables-info.ts'

/** The tables of iptables, which its nft flavour makes in nftables under the same names. */
const tables: ReadonlySet<string> = new Set(['raw', 'mangle', 'nat', 'filter', 'security'])

/**
 * The iptables of each flavour that has tables in this network namespace, so that no program has to be asked where there is
 * nothing: asking takes a dozen of them.
 * @throws {NetlinkError} the kernel refused to list its tables.
 */
export async function usedIptables(family: IpFamily): Promise<readonly Iptables[]> {
  const used = new Set<IptablesFlavour>()
  // What may not be read may hold something.
  if (legacyTables(family)?.length !== 0) used.add('legacy')
  if ((await listNftTableNames(family)).some(name => tables.has(name))) used.add('nft')
  if (used.size === 0) return []
  return (await installedIptables(family)).filter(({ flavour }) => used.has(flavour))
}
