import type { Readable, Writable } from 'node:stream'
import { type Command, CommanderError } from 'commander'
import { ConfigError, describeError } from '#runtime/error.ts'

/** What a command may touch of the process it runs in. */
export type CommandIo = {
  readonly stdin: Readable
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly env: Readonly<NodeJS.ProcessEnv>
  /** Aborted by SIGTERM or SIGINT: stop cleanly. */
  readonly signal: AbortSignal
  /** For help: what the program was called as, `nodeplane` when not given. */
  readonly program?: string
  /** For help: the commands below this one. */
  readonly below?: readonly CommandSummary[]
}

export type CommandSummary = { readonly name: string; readonly summary: string }

/** What every file of a command exports. */
export type CommandModule = {
  /** The options and operands, named `nodeplane …`, with two examples. It does nothing: help and completion read it. */
  createCommand(): Command
  /** The number is the exit code: 0 done, 1 failed while running, 2 bad usage. */
  run(args: readonly string[], io: CommandIo): Promise<number>
}

export const PROGRAM = 'nodeplane'

export const EXIT_OK = 0
export const EXIT_FAILURE = 1
export const EXIT_USAGE = 2

/**
 * Parses the arguments after a command's name and calls `action` with its options.
 * Help and version are answers (0, stdout); a wrong command line is 2 with one line on stderr.
 */
export async function runCommand<Options>(
  command: Command,
  args: readonly string[],
  io: CommandIo,
  action: (options: Options, operands: readonly string[]) => Promise<number>,
): Promise<number> {
  let exitCode = EXIT_OK
  const { program = PROGRAM, below = [] } = io
  if (below.length > 0) command.addHelpText('after', `\n${summaries(below)}`)
  command
    .addHelpText('after', `\n${examplesText(examples.get(command) ?? [], program)}`)
    .name(calledAs(command.name(), program))
    .exitOverride()
    .configureOutput({
      writeOut: text => io.stdout.write(text),
      writeErr: text => io.stderr.write(text),
    })
    .action(async () => {
      exitCode = await action(command.opts() as Options, command.args)
    })
  try {
    await command.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE
    return reportFailure(error, io)
  }
}

/** `Commands:` and a line for each. */
export const summaries = (commands: readonly CommandSummary[]): string =>
  ['Commands:', ...commands.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`)].join('\n')

const examples = new WeakMap<Command, readonly string[]>()

/** Gives a command the examples that its help ends with. Lines start with `nodeplane`, whatever it is called by. */
export function withExamples(command: Command, lines: readonly [string, string]): Command {
  examples.set(command, lines)
  return command
}

/** What the help of a command ends with. */
export const examplesText = (lines: readonly string[], program: string): string =>
  `Examples:\n${lines.map(line => `  ${calledAs(line, program)}`).join('\n')}`

/** The program's name where a command begins: at the start, after a pipe, a parenthesis or variables. */
const calledAs = (line: string, program: string): string =>
  line.replace(/(^|\| |\(|=\S+ )nodeplane\b/g, `$1${program}`)

/** What people type: kubectl runs its plugin `nodeplane` as `kubectl-nodeplane`. `path` is the program's. */
export const programName = (path: string): string =>
  /(^|\/)kubectl-nodeplane(\.\w+)?$/.test(path) ? 'kubectl nodeplane' : PROGRAM

/** Says what went wrong, one line per problem, and gives the exit code for it. */
export function reportFailure(error: unknown, io: Pick<CommandIo, 'stderr'>): number {
  io.stderr.write(`nodeplane: ${describeError(error).replaceAll('\n', '\nnodeplane: ')}\n`)
  return error instanceof ConfigError ? EXIT_USAGE : EXIT_FAILURE
}
