import { type Attachment, attachmentMark } from './attachment.ts'

/** Longest comment that iptables takes, in bytes (xt_comment). */
const MAX_COMMENT_BYTES = 255

/** The comment of a rule of an attachment: its mark, and for people what it is for and whose. */
export function ruleComment(attachment: Attachment, purpose = ''): string {
  const { network, containerId } = attachment
  const words = `${purpose}name: '${network}' id: '${containerId}'`
  const names = words.replace(/[^A-Za-z0-9_.:' -]/g, '_')
  const text = `${attachmentMark(attachment)} ${names}`.slice(0, MAX_COMMENT_BYTES)
  return `-m comment --comment "${text}"`
}

/** Deletions of the rules that lead into a chain, made of what `iptables-save` printed. */
export const entriesInto = (saved: string, chain: string): readonly string[] =>
  saved
    .split('\n')
    .filter(line => line.startsWith('-A ') && line.endsWith(` -j ${chain}`))
    .map(line => line.replace(/^-A/, '-D'))

/** Input for `iptables-restore`. */
export const restoreText = (lines: readonly string[]): string => `${lines.join('\n')}\n`

/** Input that takes these chains of table nat away and the rules that lead into them; undefined when none of them is there. */
export function renderChainRemoval(saved: string, chains: readonly string[]): string | undefined {
  const present = chains.filter(chain => saved.includes(`\n:${chain} `))
  if (present.length === 0) return undefined
  return restoreText([
    '*nat',
    ...present.flatMap(chain => [...entriesInto(saved, chain), `-F ${chain}`, `-X ${chain}`]),
    'COMMIT',
  ])
}
