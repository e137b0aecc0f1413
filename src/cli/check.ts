import { Command, Option } from 'commander'
import { checkConfigFile, type FileFindings } from '#agent/check/check-config.ts'
import { type ConfigKind, configKinds, kindNames } from '#agent/check/recognise.ts'
import { type ConfigProblem, formatProblem } from '#runtime/error.ts'
import { type CommandIo, EXIT_OK, EXIT_USAGE, runCommand, withExamples } from './command-line.ts'
import { type Painter, painter } from './output/colour.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'

type Options = { readonly as?: ConfigKind; readonly output?: OutputFormat }

/** `nodeplane check`: what is wrong with configuration files of any kind; docs/check.md. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async ({ as: kind, output }, files) => {
    const found: FileFindings[] = []
    for (const file of files) found.push(...(await checkConfigFile(file, { kind, env: io.env })))
    const paint = painter(io.stdout, io.env)
    const result = { files: found }
    io.stdout.write(
      await printAs(output, result, () => found.map(file => fileText(file, paint)).join('')),
    )
    return found.every(({ problems }) => problems.length === 0) ? EXIT_OK : EXIT_USAGE
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane check')
      .description(
        'Tells what is wrong with configuration files, each with line, column, field and what would be right: Corefiles, KubeProxyConfigurations, CNI network configurations, and configurations of the agent with the files they name.',
      )
      .argument('<file...>', 'files; their content tells what they are')
      .addOption(new Option('--as <kind>', 'what the files are').choices(configKinds))
      .addOption(outputOption(['json', 'yaml']))
      .addHelpText(
        'after',
        '\nThe exit code is 0 where nodeplane would start with the files (warnings or not), 2 where it would not.',
      ),
    [
      'nodeplane check /etc/nodeplane/agent.yaml /etc/cni/net.d/*.conflist',
      'nodeplane check --as corefile ./dns.txt -o json',
    ],
  )

function fileText({ file, kind, problems, warnings }: FileFindings, paint: Painter): string {
  const name = kind === undefined ? file : `${file} (${kindNames[kind]})`
  const count = `${counted(problems.length, 'error')}, ${counted(warnings.length, 'warning')}`
  return [
    ...problems.map(problem => problemText(problem, paint.severity('FAIL', 'error'))),
    ...warnings.map(problem => problemText(problem, paint.severity('WARN', 'warning'))),
    `${name}: ${problems.length + warnings.length === 0 ? paint.severity('OK', 'ok') : count}\n`,
  ].join('')
}

function problemText({ file, line, column, ...rest }: ConfigProblem, kind: string): string {
  const place = [file, line, column].filter(part => part !== undefined).join(':')
  return `${place}: ${kind}: ${formatProblem(rest)}\n`
}

const counted = (number: number, what: string): string =>
  `${number} ${what}${number === 1 ? '' : 's'}`
