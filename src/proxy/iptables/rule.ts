import type { Protocol } from '#net/protocol.ts'

/** The parts of a rule, in the order in which iptables-save prints them. */
export type RuleParts = {
  /** `-s …`, or `! -s …`. */
  readonly source?: string | undefined
  /** `-d …`, or `! -d …`. */
  readonly destination?: string | undefined
  /** `-i …`, or `! -i …`. */
  readonly input?: string | undefined
  readonly protocol?: Protocol | undefined
  /** Any text; undefined: none. */
  readonly comment?: string | undefined
  readonly matches?: readonly string[] | undefined
  /** Of {@link protocol}. 0: any, but the protocol's match is written all the same, as kube-proxy does for DNAT. */
  readonly port?: number | undefined
  /** Without one a rule only counts. */
  readonly target?: string | undefined
}

/**
 * A rule without its chain, as iptables-save prints it: what is written can be compared with what the kernel holds, and
 * what kube-proxy wrote is found to be right.
 */
export function rule(parts: RuleParts): string {
  const { source, destination, input, protocol, comment, matches = [], port, target } = parts
  const name = protocol?.toLowerCase()
  return [
    source,
    destination,
    input,
    name && `-p ${name}`,
    comment === undefined ? undefined : `-m comment --comment ${quote(comment)}`,
    ...matches,
    port === undefined ? undefined : `-m ${name}${port === 0 ? '' : ` --dport ${port}`}`,
    target === undefined ? undefined : `-j ${target}`,
  ]
    .filter(part => part !== undefined)
    .join(' ')
}

/** Bytes of a comment that the kernel keeps (XT_MAX_COMMENT_LEN less the final zero). */
const MAX_COMMENT_LENGTH = 255

/** Objects from elsewhere than an API server may hold any text: what could end the quotation or the line is replaced. */
function quote(text: string): string {
  const plain = text.replace(/[^ -~]|["'\\]/g, '?').slice(0, MAX_COMMENT_LENGTH)
  return /^[-_0-9A-Za-z]+$/.test(plain) ? plain : `"${plain}"`
}

/** The words of a rule, a quoted text being one word. */
const wordsOf = (rule: string): readonly string[] => rule.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? []

/** Equal for rules that say the same in whatever order; versions of iptables differ in it. */
export const sortedWords = (rule: string): string => wordsOf(rule).toSorted().join('\n')

/** Do two rules say the same? */
export const isSameRule = (a: string, b: string): boolean =>
  a === b || sortedWords(a) === sortedWords(b)

/** The chain or target that a rule leads to. */
export function targetOf(rule: string): string | undefined {
  const words = wordsOf(rule)
  const option = words.findIndex(word => word === '-j' || word === '-g')
  return option < 0 ? undefined : words[option + 1]
}
