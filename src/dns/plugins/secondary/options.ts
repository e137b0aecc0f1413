import { parseTarget, type TransferTarget } from '../../authority/transfer-target.ts'
import { readZones } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems } from '../../corefile/problem.ts'
import { readFallthrough } from '../fallthrough.ts'
import { type OptionReader, readOptions } from '../option-readers.ts'

/** What a `secondary` directive says. */
export type SecondaryOptions = {
  readonly zones: readonly string[]
  /** In the order in which they are asked. */
  readonly primaries: readonly TransferTarget[]
  readonly fallthrough: readonly string[] | undefined
}

type Draft = { primaries: TransferTarget[]; fallthrough: readonly string[] | undefined }

/** Reads a `secondary` directive. @throws {ConfigError} */
export function parseSecondary(
  directive: Directive,
  blockZones: readonly string[],
): SecondaryOptions {
  const problems = new DirectiveProblems('secondary')
  const { args, block = [] } = directive
  const zones = args.length > 0 ? readZones(directive, args, problems) : blockZones
  if (!block.some(({ name }) => name === 'transfer')) {
    problems.add(directive, 'needs a line: transfer from ADDRESS...')
  }
  const draft: Draft = { primaries: [], fallthrough: undefined }
  readOptions(directive, draft, readers, problems)
  return { zones, ...draft }
}

const readers: Readonly<Record<string, OptionReader<Draft>>> = {
  transfer(option, draft, problems) {
    const [from, ...addresses] = option.args
    if (from === 'to') {
      problems.add(option, "'transfer to' is a plugin of its own: write transfer { to ADDRESS... }")
      return
    }
    if (from !== 'from' || addresses.length === 0) problems.add(option, 'needs: from ADDRESS...')
    for (const text of addresses) {
      const target = parseTarget(text)
      if (target === undefined) problems.add(option, `'${text}' is no address, write IP or IP:PORT`)
      else draft.primaries.push(target)
    }
  },
  fallthrough(option, draft, problems) {
    draft.fallthrough = readFallthrough(option, problems)
  },
  catalog(option, _, problems) {
    problems.add(option, 'catalog zones are not supported; name the zones')
  },
  upstream: () => undefined,
}
