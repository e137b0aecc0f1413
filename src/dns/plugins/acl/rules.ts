import type { IpAddress } from '#net/ip.ts'
import { parseIp } from '#net/ip.ts'
import { hostPrefix, type IpPrefix, parsePrefix, prefixContains } from '#net/prefix.ts'
import { readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { recordTypes } from '../../wire/mnemonics.ts'

export type AclAction = 'allow' | 'block' | 'filter' | 'drop'

/** One line: what is done with queries of these types from these addresses. `undefined` means any. */
export type AclRule = {
  readonly action: AclAction
  readonly types: ReadonlySet<string> | undefined
  readonly sources: readonly IpPrefix[] | undefined
}

/** One `acl` directive. */
export type AclStanza = { readonly zones: readonly string[]; readonly rules: readonly AclRule[] }

const ACTIONS: readonly string[] = ['allow', 'block', 'filter', 'drop']

/** Reads an `acl` directive. @throws {ConfigError} */
export function parseAcl(directive: Directive, blockZones: readonly string[]): AclStanza {
  const problems = new DirectiveProblems('acl')
  const { args, block = [] } = directive
  const zones = args.length > 0 ? readZones(directive, args, problems) : blockZones
  if (block.length === 0) {
    problems.add(directive, 'has no rule; write for example: acl { block net 192.0.2.0/24 }')
  }
  const rules = block.map(line => parseRule(line, problems))
  problems.throwIfAny()
  return { zones, rules }
}

function parseRule(line: Directive, problems: DirectiveProblems): AclRule {
  if (!ACTIONS.includes(line.name)) {
    problems.add(line, `unknown action, there are: ${ACTIONS.join(', ')}`)
  }
  const types: string[] = []
  const nets: string[] = []
  let section: string[] | undefined
  for (const word of line.args) {
    if (word === 'type') section = types
    else if (word === 'net') section = nets
    else if (section === undefined) problems.add(line, `'${word}' stands before 'type' or 'net'`)
    else section.push(word)
  }
  if (line.args.includes('type') && types.length === 0) problems.add(line, "'type' names no type")
  if (line.args.includes('net') && nets.length === 0) problems.add(line, "'net' names no network")
  return {
    action: line.name as AclAction,
    types: types.length === 0 || types.includes('*') ? undefined : readTypes(line, types, problems),
    sources: nets.length === 0 || nets.includes('*') ? undefined : readNets(line, nets, problems),
  }
}

function readTypes(line: Directive, texts: readonly string[], problems: DirectiveProblems) {
  const numbers = texts.map(text => {
    const number = recordTypes.toNumber(text)
    if (number === undefined) problems.add(line, `'${text}' is no record type, write e.g. A or *`)
    return number
  })
  return new Set(
    numbers.filter(number => number !== undefined).map(number => recordTypes.toText(number)),
  )
}

function readNets(line: Directive, texts: readonly string[], problems: DirectiveProblems) {
  return texts.flatMap(text => {
    const address = parseIp(text)
    const prefix = address === undefined ? parsePrefix(text) : hostPrefix(address)
    if (prefix === undefined) {
      problems.add(line, `'${text}' is no address or network, write e.g. 192.0.2.0/24 or *`)
    }
    return prefix ?? []
  })
}

/** What the first rule that fits says; `allow` when none does. */
export function decide(
  { rules }: AclStanza,
  { type, source }: { readonly type: string; readonly source: IpAddress },
): { readonly action: AclAction; readonly isDefault: boolean } {
  for (const { action, types, sources } of rules) {
    if (types !== undefined && !types.has(type)) continue
    if (sources !== undefined && !sources.some(net => prefixContains(net, source))) continue
    return { action, isDefault: false }
  }
  return { action: 'allow', isDefault: true }
}
