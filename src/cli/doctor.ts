import { Command } from 'commander'
import { examine } from '#agent/doctor/checks.ts'
import { collectFacts } from '#agent/doctor/collect.ts'
import type { Finding } from '#agent/doctor/finding.ts'
import { systemClock } from '#runtime/clock.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { type Painter, painter } from './output/colour.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { printable } from './output/table.ts'

type Options = {
  readonly config: string
  readonly root: string
  readonly output?: OutputFormat
}

/** `nodeplane doctor`: what on this node is in the way, and what mends it; docs/doctor.md. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async ({ output, ...options }) => {
    if (process.getuid?.() !== 0) {
      io.stderr.write(
        'nodeplane: not run as root: rules cannot be read, and the kernel is not asked\n',
      )
    }
    const facts = await collectFacts({ ...options, nowMs: systemClock.now() }, io.signal)
    const findings = examine(facts)
    const paint = painter(io.stdout, io.env)
    io.stdout.write(await printAs(output, { findings }, () => findingsText(findings, paint)))
    return findings.some(({ severity }) => severity === 'FAIL') ? EXIT_FAILURE : EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane doctor')
      .description(
        'Looks at this node for what keeps pods, Services and DNS from working, and says what mends it. It changes nothing.',
      )
      .option('--config <file>', "the agent's configuration", '/etc/nodeplane/agent.yaml')
      .option('--root <dir>', "where the node's files are, seen from a container", '/')
      .addOption(outputOption(['json', 'yaml']))
      .addHelpText('after', '\nThe exit code is 1 where something FAILs, else 0.')
      .allowExcessArguments(false),
    ['nodeplane doctor', 'nodeplane doctor --root /host -o json'],
  )

/** A line for each finding, and below it what to do; what is well comes last. */
function findingsText(findings: readonly Finding[], paint: Painter): string {
  const order = ['FAIL', 'WARN', 'OK']
  return findings
    .toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
    .map(finding => findingText(finding, paint))
    .join('')
}

function findingText({ severity, id, cause, fix, lasting }: Finding, paint: Painter): string {
  const below = [
    ['fix:', fix],
    ['lasting:', lasting],
  ] as const
  return [
    `${paint.severity(severity, severity.padEnd(4))}  ${printable(`${id}: ${cause}`)}\n`,
    ...below.flatMap(([word, text]) =>
      text === undefined ? [] : [`      ${paint.dim(word)} ${printable(text)}\n`],
    ),
  ].join('')
}
