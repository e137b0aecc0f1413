import { isProgramMissing } from '#linux/exec.ts'
import { openLibnftables } from '#linux/libnftables.ts'
import { childWriter, NftError } from '#linux/nft.ts'
import { listNftTableNames } from '#linux/nft-tables.ts'
import { ipFamilies } from '#net/ip.ts'
import type { CleanupOptions } from '../backend.ts'
import { DEFAULT_TABLE_NAME } from '../settings.ts'
import { renderRemoval } from './render.ts'
import { type Table, tableText } from './table.ts'
import { trialTable } from './trial.ts'

/** kube-proxy's table in both families (pkg/proxy/nftables). */
const KUBE_PROXY_TABLE = 'kube-proxy'

/**
 * See {@link BackendModule.cleanup}: the tables go, each in a transaction of its own; connections stay with conntrack. They are listed
 * without a program, so nothing is missing where there are none.
 */
export async function cleanup(
  { log, foreignOnly = false }: CleanupOptions,
  signal: AbortSignal,
): Promise<void> {
  for (const family of ipFamilies) {
    const own = { family, name: DEFAULT_TABLE_NAME }
    const foreign = { family, name: KUBE_PROXY_TABLE }
    const tables = foreignOnly ? [foreign] : [own, trialTable(own), foreign]
    const present = await listNftTableNames(family)
    for (const table of tables.filter(({ name }) => present.includes(name))) {
      await remove(table, signal)
      log.info({ table: table.name, family }, 'removed')
    }
  }
}

/** By a child, for the library would keep the memory that it takes for a long table. */
async function remove(table: Table, signal: AbortSignal): Promise<void> {
  const text = renderRemoval(table)
  try {
    await childWriter.apply(text, signal)
  } catch (error) {
    if (!isProgramMissing(error)) throw error
    using library = await openLibnftables()
    if (library === undefined) throw cannotRemove(table, error)
    await library.apply(text, signal)
  }
}

const cannotRemove = (table: Table, cause: unknown): NftError =>
  new NftError(
    `table ${tableText(table)} is still there: neither nft nor libnftables.so.1 is installed; install nftables`,
    undefined,
    { cause },
  )
