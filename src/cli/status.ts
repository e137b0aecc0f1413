import { Command } from 'commander'
import type { Status } from '#agent/status/status.ts'
import { ageOf } from '#agent/status/words.ts'
import { getView } from '#agent/view/client.ts'
import type { IncidentView } from '#agent/view/types.ts'
import { type SocketOption, socketOption } from './agent-socket.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { type Painter, painter } from './output/colour.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { table } from './output/table.ts'

type Options = SocketOption & { readonly output?: OutputFormat }

/** `nodeplane status`: a node at a glance; 1 when a part fails. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async ({ socket, output }) => {
    const status = await getView<Status>(socket, 'status')
    if (status === undefined) throw new Error(`the agent at ${socket} is of another version`)
    const paint = painter(io.stdout, io.env)
    io.stdout.write(await printAs(output, status, status => screen(status, paint, Date.now())))
    return status.severity === 'FAIL' ? EXIT_FAILURE : EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane status')
      .description(
        'Shows how the agent of this node does, part by part. The exit status is 1 when a part fails.',
      )
      .addOption(outputOption())
      .addOption(socketOption())
      .allowExcessArguments(false),
    ['nodeplane status', 'nodeplane status -o json'],
  )

/** @param nowMs for the ages of incidents. */
export function screen(status: Status, paint: Painter, nowMs: number): string {
  const { node, version, upSeconds, memoryBytes, severity, parts, incidents } = status
  const mebibytes = Math.round(memoryBytes / 1024 / 1024)
  const head = `${paint.severity(severity)}  node ${paint.bold(node)}, nodeplane ${version}, up ${ageOf(upSeconds * 1_000)}, ${mebibytes} MiB\n`
  const rows = table(parts, [
    { title: 'PART', value: ({ part }) => part },
    {
      title: 'STATE',
      value: ({ severity }) => severity,
      paint: (text, { severity }) => paint.severity(severity, text),
    },
    {
      title: 'DETAILS',
      value: ({ summary, reason }) => (reason === undefined ? summary : `${reason} (${summary})`),
    },
  ])
  const lines = incidents.map(incident => incidentLine(incident, nowMs))
  return [head, '\n', rows, ...(lines.length === 0 ? [] : ['\nLast incidents:\n', ...lines])].join(
    '',
  )
}

function incidentLine({ atMs, part, message, by, healedMs }: IncidentView, nowMs: number): string {
  const who = by === undefined ? '' : ` by ${by}`
  const end = healedMs === undefined ? 'goes on' : `put right after ${healedMs - atMs} ms`
  return `  ${ageOf(nowMs - atMs)} ago  ${part}: ${message}${who}; ${end}\n`
}
