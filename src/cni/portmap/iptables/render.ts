import { createHash } from 'node:crypto'
import type { IpFamily } from '#net/ip.ts'
import { formatPrefix } from '#net/prefix.ts'
import { type Attachment, attachmentHash } from '../../attachment.ts'
import { entriesInto, restoreText, ruleComment } from '../../iptables-text.ts'
import type { PortmapConfig } from '../config.ts'
import type { FamilyPlan, PlannedMapping } from '../plan.ts'

/*
 * The chains of the reference plugin, so that people and tools find what they know. An attachment has a chain of its own, entered
 * by a rule for each of its mappings.
 */

/** The chains that all attachments share. */
export const DNAT_CHAIN = 'CNI-HOSTPORT-DNAT'
const MARK_CHAIN = 'CNI-HOSTPORT-SETMARK'
const MASQUERADE_CHAIN = 'CNI-HOSTPORT-MASQ'
export const sharedChains: readonly string[] = [DNAT_CHAIN, MARK_CHAIN, MASQUERADE_CHAIN]

/** Rules that lead into the shared chains: chain, place (`-A` at its end, `-I` at its head), words. */
export type Jump = { readonly chain: string; readonly place: '-A' | '-I'; readonly words: string }
const LOCAL = '-m addrtype --dst-type LOCAL'
export const jumps: readonly Jump[] = [
  { chain: 'PREROUTING', place: '-A', words: `${LOCAL} -j ${DNAT_CHAIN}` },
  { chain: 'OUTPUT', place: '-A', words: `${LOCAL} -j ${DNAT_CHAIN}` },
  // Before the interface plugin's rules, which accept traffic inside the subnet.
  { chain: 'POSTROUTING', place: '-I', words: `-j ${MASQUERADE_CHAIN}` },
]

/** The attachment's own chain. */
export const attachmentChain = (attachment: Attachment): string =>
  `CNI-DN-${attachmentHash(attachment).slice(0, 21)}`

/** The chain of the reference plugin; all interfaces of a container in a network share it. */
export const referenceChain = ({ network, containerId }: Attachment): string =>
  `CNI-DN-${createHash('sha512').update(`${network}${containerId}`).digest('hex').slice(0, 21)}`

type RenderOptions = Pick<PortmapConfig, 'markBit' | 'setMarkChain'> & {
  /** What `iptables-save -t nat` printed. */
  readonly saved: string
}

/**
 * Input for `iptables-restore --noflush` that gives the attachment its chain, in place of what it had. The shared chains exist.
 */
export function renderAdd(
  attachment: Attachment,
  plan: FamilyPlan,
  { saved, markBit, setMarkChain }: RenderOptions,
): string {
  const chain = attachmentChain(attachment)
  const mark = `0x${(2 ** markBit).toString(16)}`
  const hide = setMarkChain ?? MARK_CHAIN
  const entry = (mapping: PlannedMapping) =>
    `-A ${DNAT_CHAIN} ${matchOf(mapping)} ${[...plan.conditions, ''].join(' ')}${ruleComment(attachment, 'dnat ')} -j ${chain}`
  return restoreText([
    '*nat',
    // Declared, a chain is emptied.
    `:${chain} - [0:0]`,
    `:${MARK_CHAIN} - [0:0]`,
    `:${MASQUERADE_CHAIN} - [0:0]`,
    `-A ${MARK_CHAIN} -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark ${mark}/${mark}`,
    `-A ${MASQUERADE_CHAIN} -m mark --mark ${mark}/${mark} -j MASQUERADE`,
    ...entriesInto(saved, chain),
    ...plan.mappings.map(entry),
    ...plan.mappings.flatMap(mapping => [
      ...plan.hidden.map(
        source => `-A ${chain} -s ${formatPrefix(source)} ${matchOf(mapping)} -j ${hide}`,
      ),
      `-A ${chain} ${matchOf(mapping)} -j DNAT --to-destination ${socketText(plan.family, mapping)}`,
    ]),
    'COMMIT',
  ])
}

/** The chains whose entries' comments begin with a mark that `isUnwanted` names. */
export function chainsMarked(
  saved: string,
  isUnwanted: (mark: string) => boolean,
): readonly string[] {
  const found = new Set<string>()
  for (const line of saved.split('\n')) {
    const match = /^-A CNI-HOSTPORT-DNAT .*--comment "([0-9a-f-]+) .* -j (CNI-DN-[0-9a-f]+)$/.exec(
      line,
    )
    if (match?.[1] !== undefined && match[2] !== undefined && isUnwanted(match[1])) {
      found.add(match[2])
    }
  }
  return [...found]
}

const matchOf = ({ protocol, hostIP, hostPort }: PlannedMapping): string => {
  const name = protocol.toLowerCase()
  const at = hostIP === undefined ? '' : `-d ${hostIP} `
  return `${at}-p ${name} -m ${name} --dport ${hostPort}`
}

const socketText = (family: IpFamily, { target, targetPort }: PlannedMapping): string =>
  `${family === 4 ? target : `[${target}]`}:${targetPort}`
