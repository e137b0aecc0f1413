import { isProgramMissing } from '#linux/exec.ts'
import { createChildWriter } from '#linux/nft.ts'
import { listNftTableNames } from '#linux/nft-tables.ts'
import { ipFamilies } from '#net/ip.ts'
import type { CleanupOptions } from '../backend.ts'
import { DEFAULT_TABLE_NAME } from '../settings.ts'
import { renderRemoval } from './render.ts'

/** kube-proxy's table in both families (pkg/proxy/nftables). */
const KUBE_PROXY_TABLE = 'kube-proxy'

/** See {@link BackendModule.cleanup}: the tables go, each in a transaction of its own; connections stay with conntrack. */
export async function cleanup(
  { log, foreignOnly = false }: CleanupOptions,
  signal: AbortSignal,
): Promise<void> {
  const names = foreignOnly ? [KUBE_PROXY_TABLE] : [DEFAULT_TABLE_NAME, KUBE_PROXY_TABLE]
  const writer = createChildWriter()
  try {
    for (const family of ipFamilies) {
      const present = await listNftTableNames(family)
      for (const name of names.filter(name => present.includes(name))) {
        await writer.apply(renderRemoval({ family, name }), signal)
        log.info({ table: name, family }, 'removed')
      }
    }
  } catch (error) {
    if (!isProgramMissing(error)) throw error
  }
}
