import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { text } from 'node:stream/consumers'
import { Command } from 'commander'
import { checkCorefile } from '#dns/check/check.ts'
import { type PlacedProblem, placeProblem } from '#dns/check/place.ts'
import { type ConfigProblem, formatProblem } from '#runtime/error.ts'
import { type CommandIo, EXIT_OK, EXIT_USAGE, runCommand, withExamples } from './command-line.ts'

/** `nodeplane dns check`: what is wrong with a Corefile, without serving it. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand(createCommand(), args, io, async (_options, [file = 'Corefile']) => {
    const input = file === 'stdin' ? await text(io.stdin) : undefined
    const { problems, warnings } = await checkCorefile({
      source: input === undefined ? file : { file, text: input },
      env: io.env,
      interfaces: networkInterfaces(),
    })
    const textOf = (path: string) => (path === 'stdin' ? input : readText(path))
    for (const problem of inOrder(problems)) io.stdout.write(findingText('error', problem, textOf))
    for (const warning of inOrder(warnings)) {
      io.stdout.write(findingText('warning', warning, textOf))
    }
    io.stdout.write(summary(file, problems.length, warnings.length))
    return problems.length === 0 ? EXIT_OK : EXIT_USAGE
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane dns check')
      .description('Tells what is wrong with a Corefile: every problem with line, column and fix.')
      .argument('[file]', "the Corefile; 'stdin' reads standard input", 'Corefile')
      .addHelpText(
        'after',
        '\nThe exit code is 0 where a server would start (warnings or not), 2 where it would not.',
      ),
    [
      'nodeplane dns check /etc/coredns/Corefile',
      'kubectl -n kube-system get cm coredns -o jsonpath={.data.Corefile} | nodeplane dns check stdin',
    ],
  )

const inOrder = (findings: readonly ConfigProblem[]): readonly ConfigProblem[] =>
  findings.toSorted((a, b) => (a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : 0))

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // It was read a moment ago; a finding without its line still says where.
    return undefined
  }
}

function findingText(
  kind: 'error' | 'warning',
  finding: ConfigProblem,
  textOf: (file: string) => string | undefined,
): string {
  const placed: PlacedProblem = placeProblem(finding, textOf)
  const { sourceLine, column = 1 } = placed
  const { file, line, field, message } = placed
  const place = [file, line, placed.column].filter(part => part !== undefined).join(':')
  const head = `${place}: ${kind}: ${formatProblem({ field, message })}\n`
  if (sourceLine === undefined) return head
  const indent = sourceLine.slice(0, column - 1).replace(/[^\t]/g, ' ')
  return `${head}    ${sourceLine}\n    ${indent}^\n`
}

const count = (number: number, what: string): string =>
  `${number} ${what}${number === 1 ? '' : 's'}`

const summary = (file: string, errors: number, warnings: number): string =>
  `${file}: ${errors + warnings === 0 ? 'ok' : `${count(errors, 'error')}, ${count(warnings, 'warning')}`}\n`
