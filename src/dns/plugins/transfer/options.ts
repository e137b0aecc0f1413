import { type IpAddress, parseIp } from '#net/ip.ts'
import { parsePrefix, prefixContains } from '#net/prefix.ts'
import { parseTarget, type TransferTarget } from '../../authority/transfer-target.ts'
import { readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { type OptionReader, readOptions } from '../option-readers.ts'

/** What a `transfer` directive says. */
export type TransferOptions = {
  readonly zones: readonly string[]
  /** Who may copy the zones. */
  readonly allows: (client: IpAddress) => boolean
  /** Who is told of changes. */
  readonly notify: readonly TransferTarget[]
  /** The address that NOTIFY is sent from; undefined: the machine's choice. */
  readonly source: IpAddress | undefined
}

type Draft = { to: string[]; source: IpAddress | undefined }

/** Reads a `transfer` directive. @throws {ConfigError} */
export function parseTransfer(
  directive: Directive,
  blockZones: readonly string[],
): TransferOptions {
  const problems = new DirectiveProblems('transfer')
  const { args } = directive
  const zones = args.length > 0 ? readZones(directive, args, problems) : blockZones
  const draft: Draft = { to: [], source: undefined }
  if (!(directive.block ?? []).some(({ name }) => name === 'to')) {
    problems.add(directive, "needs a line 'to ADDRESS...', or 'to *' for everyone")
  }
  readOptions(directive, draft, readers, problems)
  const targets = draft.to.map(parseTarget).filter(target => target !== undefined)
  const nets = draft.to.map(parsePrefix).filter(net => net !== undefined)
  const forAnyone = draft.to.includes('*')
  const addresses = new Set(targets.map(({ address }) => address))
  return {
    zones,
    allows: client =>
      forAnyone || addresses.has(client) || nets.some(net => prefixContains(net, client)),
    notify: targets,
    source: draft.source,
  }
}

const readers: Readonly<Record<string, OptionReader<Draft>>> = {
  to(option, draft, problems) {
    if (option.args.length === 0) problems.add(option, 'names nobody, write addresses or *')
    for (const text of option.args) {
      const isKnown =
        text === '*' || parseTarget(text) !== undefined || parsePrefix(text) !== undefined
      if (!isKnown)
        problems.add(option, `'${text}' is no address, write IP, IP:PORT, a network or *`)
    }
    draft.to.push(...option.args)
  },
  source(option, draft, problems) {
    const address = option.args.length === 1 ? parseIp(option.args[0] ?? '') : undefined
    if (address === undefined) problems.add(option, 'needs one IP address')
    else draft.source = address
  },
}
