import type { IpAddress } from '#net/ip.ts'
import { formatPrefix, hostPrefix } from '#net/prefix.ts'
import { type Attachment, attachmentComment, attachmentMark, isMarkedBy } from '../attachment.ts'
import type { FamilyPlan, Isolation } from './plan.ts'

/*
 * The reference's chains in table filter, and its rules, to which a comment with the attachment's mark is added: by it they are
 * found again without addresses. Lines are written as iptables-save prints them, so that what is there is found by comparison.
 */

const FORWARD_CHAIN = 'CNI-FORWARD'
const STAGE_1 = 'CNI-ISOLATION-STAGE-1'
const STAGE_2 = 'CNI-ISOLATION-STAGE-2'

const comment = (text: string): string => `-m comment --comment "${text}"`
const FORWARD_JUMP = `${comment('CNI firewall plugin rules')} -j ${FORWARD_CHAIN}`
const adminJump = (chain: string): string =>
  `${comment('CNI firewall plugin admin overrides')} -j ${chain}`
const POLICY = comment('CNI firewall plugin rules (ingressPolicy: same-bridge)')

/** A rule, and where in its chain it is put when it is not there. */
type SharedRule = {
  readonly place: '-I' | '-A'
  readonly chain: string
  readonly rule: string
}

/**
 * Input for `iptables-restore --noflush` that gives the attachment its rules, in place of what it had, and makes what is missing
 * of the shared chains.
 * @param saved what `iptables-save -t filter` printed.
 */
export function renderAdd(attachment: Attachment, plan: FamilyPlan, saved: string): string {
  const lines = linesOf(saved)
  const chains = [FORWARD_CHAIN, plan.adminChain, ...(plan.isolation ? [STAGE_1, STAGE_2] : [])]
  return table([
    // Not by `:CHAIN`, which would empty it: it is shared.
    ...chains.filter(chain => !hasChain(saved, chain)).map(chain => `-N ${chain}`),
    ...deletions(lines.filter(isOf(attachment))),
    ...missing(lines, sharedRules(plan)),
    ...stage1First(lines, plan),
    ...ownRules(attachment, plan).map(rule => `-A ${rule}`),
  ])
}

/** Input that deletes rules of addresses; undefined when none is there. */
export function renderRemoval(
  saved: string,
  isUnwanted: (comment: string) => boolean,
  addresses: readonly IpAddress[] = [],
): string | undefined {
  const reference = new Set(addresses.flatMap(address => addressRules(address, '')))
  const found = linesOf(saved).filter(line => {
    const text = commentIn(line)
    if (!line.startsWith(`-A ${FORWARD_CHAIN} `)) return false
    return text === undefined ? reference.has(line.slice('-A '.length)) : isUnwanted(text)
  })
  return found.length === 0 ? undefined : table(deletions(found))
}

/** What of the plan is not in the table, for people; empty: all is. */
export function missingRules(
  attachment: Attachment,
  plan: FamilyPlan,
  saved: string,
): readonly string[] {
  const present = new Set(linesOf(saved))
  const shared = [jumpToForward, ...sharedRules(plan), ...(plan.isolation ? [jumpToStage1] : [])]
  return [...shared.map(({ chain, rule }) => `${chain} ${rule}`), ...ownRules(attachment, plan)]
    .filter(rule => !present.has(`-A ${rule}`))
    .map(rule => `rule ${rule} is missing`)
}

const jumpToForward: SharedRule = { place: '-I', chain: 'FORWARD', rule: FORWARD_JUMP }
const jumpToStage1: SharedRule = { place: '-I', chain: 'FORWARD', rule: `${POLICY} -j ${STAGE_1}` }

const sharedRules = ({ adminChain, isolation }: FamilyPlan): readonly SharedRule[] => [
  { place: '-I', chain: FORWARD_CHAIN, rule: adminJump(adminChain) },
  ...(isolation === undefined ? [] : isolationRules(isolation)),
]

function isolationRules({ bridge, policy }: Isolation): readonly SharedRule[] {
  const inside = {
    place: '-I',
    chain: STAGE_1,
    rule: `-i ${bridge} -o ${bridge} ${POLICY} -j DROP`,
  }
  return [
    ...(policy === 'isolated' ? [inside as SharedRule] : []),
    { place: '-I', chain: STAGE_1, rule: `-i ${bridge} ! -o ${bridge} ${POLICY} -j ${STAGE_2}` },
    { place: '-A', chain: STAGE_1, rule: `${POLICY} -j RETURN` },
    { place: '-I', chain: STAGE_2, rule: `-o ${bridge} ${POLICY} -j DROP` },
    { place: '-A', chain: STAGE_2, rule: `${POLICY} -j RETURN` },
  ]
}

/** The jumps of FORWARD. That to the isolation comes first: what CNI-FORWARD accepts, nobody drops any more. */
function stage1First(lines: readonly string[], { isolation }: FamilyPlan): readonly string[] {
  const placeOf = ({ chain, rule }: SharedRule) => lines.indexOf(`-A ${chain} ${rule}`)
  const [forward, stage1] = [placeOf(jumpToForward), placeOf(jumpToStage1)]
  const toForward = missing(lines, [jumpToForward])
  if (isolation === undefined && stage1 === -1) return toForward
  const isFirst = stage1 !== -1 && stage1 < forward
  if (isFirst) return toForward
  const { chain, rule } = jumpToStage1
  return [...toForward, ...(stage1 === -1 ? [] : [`-D ${chain} ${rule}`]), `-I ${chain} ${rule}`]
}

const ownRules = (attachment: Attachment, { addresses }: FamilyPlan): readonly string[] =>
  addresses.flatMap(address => addressRules(address, `${comment(attachmentComment(attachment))} `))

/** Answers to the address, and all that comes from it. @param mark words before the verdict. */
function addressRules(address: IpAddress, mark: string): readonly string[] {
  const text = formatPrefix(hostPrefix(address))
  return [
    `${FORWARD_CHAIN} -d ${text} -m conntrack --ctstate RELATED,ESTABLISHED ${mark}-j ACCEPT`,
    `${FORWARD_CHAIN} -s ${text} ${mark}-j ACCEPT`,
  ]
}

const missing = (lines: readonly string[], rules: readonly SharedRule[]): readonly string[] =>
  rules
    .filter(({ chain, rule }) => !lines.includes(`-A ${chain} ${rule}`))
    .map(({ place, chain, rule }) => `${place} ${chain} ${rule}`)

const isOf = (attachment: Attachment) => {
  const mark = attachmentMark(attachment)
  return (line: string): boolean =>
    line.startsWith(`-A ${FORWARD_CHAIN} `) && isMarkedBy(commentIn(line) ?? '', mark)
}

const commentIn = (line: string): string | undefined => / --comment "([^"]*)" /.exec(line)?.[1]

const hasChain = (saved: string, chain: string): boolean =>
  linesOf(saved).some(line => line.startsWith(`:${chain} `))

const linesOf = (saved: string): readonly string[] => saved.split('\n').map(line => line.trimEnd())

const deletions = (lines: readonly string[]): readonly string[] =>
  lines.map(line => line.replace(/^-A/, '-D'))

const table = (lines: readonly string[]): string =>
  `${['*filter', ...lines, 'COMMIT'].join('\n')}\n`
