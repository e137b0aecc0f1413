#!/usr/bin/env node
import { errnoCode } from '#runtime/error.ts'
import { version } from '#runtime/version.ts'
import {
  type CommandIo,
  EXIT_OK,
  EXIT_USAGE,
  examplesText,
  PROGRAM,
  programName,
  reportFailure,
  summaries,
} from './cli/command-line.ts'
import { type CommandEntry, commands, findCommand } from './cli/registry.ts'

const usage = (program: string): string =>
  [
    `Usage: ${program} COMMAND [OPTIONS]`,
    '',
    'Kubernetes node networking and DNS in one process.',
    '',
    summaries(commands),
    '',
    `${program} COMMAND --help tells the options of a command.`,
    '',
    examplesText(
      ['nodeplane agent --config /etc/nodeplane/agent.yaml', 'nodeplane doctor'],
      program,
    ),
    '',
  ].join('\n')

/** Help of a name under which commands stand, and which is none itself. */
function groupUsage(path: readonly string[], entry: CommandEntry, program: string): string {
  const below = entry.commands ?? []
  const examples = below.slice(0, 2).map(({ name }) => `nodeplane ${path.join(' ')} ${name} --help`)
  return [
    `Usage: ${program} ${path.join(' ')} COMMAND [OPTIONS]`,
    '',
    `${entry.summary}.`,
    '',
    summaries(below),
    '',
    examplesText(examples, program),
    '',
  ].join('\n')
}

const isHelp = (word: string | undefined): boolean => word === '--help' || word === '-h'

/** Runs the command that `words` name; resolves with the exit code. */
export async function main(words: readonly string[], io: CommandIo): Promise<number> {
  const { program = PROGRAM } = io
  const [first, ...rest] = words
  if (first === undefined || isHelp(first) || (first === 'help' && rest.length === 0)) {
    io.stdout.write(usage(program))
    return first === undefined ? EXIT_USAGE : EXIT_OK
  }
  if (first === 'help') return main([...rest, '--help'], io)
  if (first === '--version') {
    io.stdout.write(`nodeplane ${version}\n`)
    return EXIT_OK
  }
  const found = findCommand(words)
  if (found === undefined) {
    io.stderr.write(`nodeplane: no command '${first}'; ${program} --help lists them\n`)
    return EXIT_USAGE
  }
  const { entry, path, args } = found
  if (entry.load === undefined) {
    const asked = isHelp(args[0])
    ;(asked ? io.stdout : io.stderr).write(groupUsage(path, entry, program))
    return asked ? EXIT_OK : EXIT_USAGE
  }
  try {
    return await (await entry.load()).run(args, { ...io, below: entry.commands ?? [] })
  } catch (error) {
    return reportFailure(error, io)
  }
}

/** Aborted by the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
    controller.abort()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return controller.signal
}

/**
 * Who reads our output may stop to (`nodeplane proxy --help | head`). An answer ends with that, quietly; a server goes on
 * without its lines, for a node must not lose its network with the reader of a log.
 */
function ignoreBrokenPipe(stream: NodeJS.WriteStream): void {
  stream.on('error', error => {
    if (errnoCode(error) !== 'EPIPE') throw error
  })
}

if (import.meta.main) {
  const { stdin, stdout, stderr, env, argv } = process
  for (const stream of [stdout, stderr]) ignoreBrokenPipe(stream)
  const [, path = '', ...words] = argv
  const io = { stdin, stdout, stderr, env, signal: stopSignal(), program: programName(path) }
  process.exitCode = await main(words, io)
}
