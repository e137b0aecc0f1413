import type { Argument, Command, Option } from 'commander'
import type { CommandSummary } from '../command-line.ts'
import { allCommands, type CommandEntry } from '../registry.ts'

/** What may stand in a place of the command line. */
export type Values =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'file' | 'directory' | 'any' }

export type CompletionOption = {
  /** `-o`, `--output`. */
  readonly names: readonly string[]
  readonly summary: string
  /** undefined: the option takes no value. */
  readonly values: Values | undefined
}

/** One command, or the program itself. */
export type CompletionNode = {
  /** `/dns/check`; empty for the program. */
  readonly path: string
  readonly commands: readonly CommandSummary[]
  readonly options: readonly CompletionOption[]
  /** What may follow as operands; undefined: nothing. */
  readonly operands: Values | undefined
}

/** All that can be completed, the program first: read from the commands' own definitions. */
export async function completionTree(
  commands: readonly CommandEntry[],
): Promise<readonly CompletionNode[]> {
  const root = { path: '', commands, options: [helpOption], operands: undefined }
  const nodes = allCommands(commands).map(async ({ entry, path }): Promise<CompletionNode> => {
    const command = (await entry.load?.())?.createCommand()
    return {
      path: `/${path.join('/')}`,
      commands: entry.commands ?? [],
      options: [...(command?.options ?? []).filter(isShown).map(optionOf), helpOption],
      operands: operandsOf(command),
    }
  })
  return [root, ...(await Promise.all(nodes))]
}

const helpOption: CompletionOption = {
  names: ['-h', '--help'],
  summary: 'display help for command',
  values: undefined,
}

const isShown = ({ hidden }: Option): boolean => !hidden

function optionOf(option: Option): CompletionOption {
  const { short, long, description, argChoices, flags } = option
  const hasValue = option.required
  return {
    names: [short, long].filter(name => name !== undefined),
    summary: description,
    // A value that may be left out must be joined to its option: there is nothing to complete after a blank.
    values: hasValue ? valuesOf(/<(.*?)>/.exec(flags)?.[1] ?? '', argChoices) : undefined,
  }
}

function operandsOf(command: Command | undefined): Values | undefined {
  const [first] = (command?.registeredArguments ?? []) as readonly Argument[]
  return first && valuesOf(first.name(), first.argChoices)
}

/** By the word that help shows for the value (`<file>`). */
function valuesOf(placeholder: string, choices: readonly string[] | undefined): Values {
  if (choices !== undefined) return { kind: 'words', words: choices }
  if (/^file/i.test(placeholder)) return { kind: 'file' }
  return { kind: /^dir/i.test(placeholder) ? 'directory' : 'any' }
}
