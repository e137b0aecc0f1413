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
}

/** What every file of a command exports. The number is the exit code: 0 done, 1 failed while running, 2 bad usage. */
export type CommandModule = { run(args: readonly string[], io: CommandIo): Promise<number> }

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
  command
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

/** Says what went wrong, one line per problem, and gives the exit code for it. */
export function reportFailure(error: unknown, io: Pick<CommandIo, 'stderr'>): number {
  io.stderr.write(`nodeplane: ${describeError(error).replaceAll('\n', '\nnodeplane: ')}\n`)
  return error instanceof ConfigError ? EXIT_USAGE : EXIT_FAILURE
}
