import { ipFamilies } from '#net/ip.ts'
import { restoreTable, saveTableIfAny } from './iptables.ts'
import { restoreText } from './iptables-text.ts'

/** Chains that all attachments share, by the reference plugins' names: portmap's, firewall's. */
const SHARED = /^CNI-(HOSTPORT-(DNAT|SETMARK|MASQ)|FORWARD|ADMIN|ISOLATION-STAGE-[12])$/
/** Those whose rules are of attachments, or of the administrator. */
const HOLDING = /^-A CNI-(HOSTPORT-DNAT|FORWARD|ADMIN) /
/** The way into the administrator's chain is firewall's own. */
const ADMIN_JUMP = /^-A CNI-FORWARD .*-j CNI-ADMIN$/

const TABLES = ['nat', 'filter'] as const

/**
 * Removes the chains that plugins share, where no rule of an attachment or of the administrator is in them. Idempotent.
 * @throws {ExecError}
 */
export async function removeSharedChains(signal: AbortSignal): Promise<void> {
  for (const family of ipFamilies) {
    for (const table of TABLES) {
      const saved = await saveTableIfAny(table, family, signal)
      const input = renderSharedRemoval(table, saved)
      if (input !== undefined) await restoreTable(family, input, signal)
    }
  }
}

/** What `iptables-restore --noflush` needs to remove them; undefined: they are not there, or in use. Pure. */
export function renderSharedRemoval(table: string, saved: string): string | undefined {
  const lines = saved.split('\n')
  const chains = lines.flatMap(line => {
    const name = /^:(\S+)/.exec(line)?.[1]
    return name !== undefined && SHARED.test(name) ? [name] : []
  })
  const isHeld = lines.some(line => HOLDING.test(line) && !ADMIN_JUMP.test(line))
  if (chains.length === 0 || isHeld) return undefined
  const jumps = lines.filter(line => {
    const [, from = '', to = ''] = /^-A (\S+).* -j (\S+)$/.exec(line) ?? []
    return !SHARED.test(from) && SHARED.test(to)
  })
  return restoreText([
    `*${table}`,
    // Declared, a chain is emptied: only then can it be removed.
    ...chains.map(chain => `:${chain} - [0:0]`),
    ...jumps.map(jump => jump.replace('-A', '-D')),
    ...chains.map(chain => `-X ${chain}`),
    'COMMIT',
  ])
}
