import { formatPrefix } from '#net/prefix.ts'
import type { Masquerade } from '../plan.ts'

/** Our chain in the tables nat and mangle. */
export const ROUTES_CHAIN = 'NODEPLANE-ROUTES'

/** The rules by which packets get into our chain. */
const jumps = { nat: `POSTROUTING -j ${ROUTES_CHAIN}`, mangle: `FORWARD -j ${ROUTES_CHAIN}` }

/**
 * Input for `iptables-restore --noflush` that does what the nftables table does. Each table is one step; naming a chain
 * empties it.
 * @param saved what `iptables-save` printed: a jump that is there is left alone.
 */
export function renderIptables(
  { family, pods, inside, tunnel }: Masquerade,
  saved: string,
): string {
  const group = family === 4 ? '224.0.0.0/4' : 'ff00::/8'
  const append = (rule: string) => `-A ${ROUTES_CHAIN} ${rule}`
  const clamp = `-o ${tunnel} -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`
  return [
    '*nat',
    `:${ROUTES_CHAIN} - [0:0]`,
    ...inside.map(prefix => append(`-d ${formatPrefix(prefix)} -j RETURN`)),
    append(`-d ${group} -j RETURN`),
    append('-m addrtype --dst-type LOCAL -j RETURN'),
    ...pods.map(prefix => append(`-s ${formatPrefix(prefix)} -j MASQUERADE --random-fully`)),
    ...jump('nat', saved),
    'COMMIT',
    '*mangle',
    `:${ROUTES_CHAIN} - [0:0]`,
    ...(tunnel === undefined ? [] : [append(clamp)]),
    ...jump('mangle', saved),
    'COMMIT',
    '',
  ].join('\n')
}

/** Before the rules of others: an accepting one of them would end the look-up. */
const jump = (table: keyof typeof jumps, saved: string): readonly string[] =>
  hasJump(table, saved) ? [] : [`-I ${jumps[table]}`]

const hasJump = (table: keyof typeof jumps, saved: string): boolean =>
  tableOf(table, saved).includes(`-A ${jumps[table]}`)

/** Takes away what is ours in `saved`; undefined when there is nothing. */
export function renderIptablesRemoval(saved: string): string | undefined {
  const tables = (['nat', 'mangle'] as const).filter(table =>
    tableOf(table, saved).some(line => line.startsWith(`:${ROUTES_CHAIN} `)),
  )
  if (tables.length === 0) return undefined
  const lines = tables.flatMap(table => [
    `*${table}`,
    ...(hasJump(table, saved) ? [`-D ${jumps[table]}`] : []),
    `-F ${ROUTES_CHAIN}`,
    `-X ${ROUTES_CHAIN}`,
    'COMMIT',
  ])
  return `${lines.join('\n')}\n`
}

/** What of `saved` is ours: rules and jumps, without counters, for comparison. */
export const ourRules = (saved: string): string =>
  saved
    .split('\n')
    .filter(line => line.startsWith('-A ') && line.includes(ROUTES_CHAIN))
    .join('\n')

/** The lines of one table in what iptables-save prints. */
function tableOf(table: string, saved: string): readonly string[] {
  const start = saved.indexOf(`*${table}\n`)
  return start === -1 ? [] : saved.slice(start, saved.indexOf('\nCOMMIT', start)).split('\n')
}
