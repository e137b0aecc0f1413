import { Command } from 'commander'
import { collectFacts } from '#agent/why/collect/collect.ts'
import { type Report, renderReport, reportOn } from '#agent/why/report.ts'
import { parseTarget } from '#agent/why/target.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { painter } from './output/colour.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { printable } from './output/table.ts'
import { surroundingsFor, type WhySources, withWhySources } from './why-surroundings.ts'

type Options = WhySources & {
  readonly from?: string
  readonly namespace: string
  readonly output?: OutputFormat
}

/** `nodeplane why`: the first line names the cause; docs/why.md. 0: nothing wrong was found, 1: the cause is named. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async (options, [text = '']) => {
    const question = { target: parseTarget(text), from: options.from, namespace: options.namespace }
    const report = reportOn(await collectFacts(question, await surroundingsFor(options, io)))
    io.stdout.write(await printAs(options.output, report, report => toText(report, io)))
    return report.cause === undefined ? EXIT_OK : EXIT_FAILURE
  })

const toText = (report: Report, { stdout, env }: CommandIo): string =>
  renderReport(report, { ...painter(stdout, env), printable })

export const createCommand = (): Command =>
  withExamples(
    withWhySources(new Command('nodeplane why'))
      .description(
        'Walks from a client to the pods of a Service (name, address, rule, endpoint, route, pod) and names what is wrong.',
      )
      .argument('<target>', 'NAMESPACE/SERVICE[:PORT], a name as a pod asks for it, or IP[:PORT]')
      .option('--from <pod>', 'the client: NAMESPACE/POD, or an address; else this node')
      .option('-n, --namespace <name>', 'of names without one', 'default')
      .addOption(outputOption(['json', 'yaml']))
      .allowExcessArguments(false),
    ['nodeplane why shop/web', 'nodeplane why web.shop:80 --from default/client'],
  )
