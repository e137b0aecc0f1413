import { Command } from 'commander'
import { AgentUnreachableError, getView, postTo } from '#agent/view/client.ts'
import { COLLECT_PATH } from '#agent/view/collect.ts'
import type { AttachmentView, CollectedAttachment, CollectedView } from '#agent/view/types.ts'
import { NodeplaneError } from '#runtime/error.ts'
import { type SocketOption, socketOption } from './agent-socket.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { printable } from './output/table.ts'

type Options = SocketOption & {
  readonly output?: OutputFormat
  readonly network?: string
  readonly dryRun?: true
}

/** Nobody can prove that a container has ended. */
class CannotProveError extends NodeplaneError {
  readonly code = 'ERR_CANNOT_PROVE'
}

/** `nodeplane cni gc`: ends attachments whose containers have gone; 1 when something of one could not be removed. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async options => {
    const { output, dryRun = false } = options
    const collected = await (dryRun ? wouldCollect(options) : collectAll(options))
    const text = (view: CollectedView) => collectedText(view, dryRun)
    io.stdout.write(await printAs(output, collected, text))
    return collected.failed.length === 0 ? EXIT_OK : EXIT_FAILURE
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane cni gc')
      .description(
        "Ends attachments whose containers have gone without a DEL: the agent sends the DELs of their plugins, which give back addresses, rules and links. It does so by itself once a minute. Only what the agent's journal proves to be gone is touched.",
      )
      .option('--network <name>', 'only this one')
      .option('--dry-run', 'only tell what would be removed')
      .addOption(outputOption(['json', 'yaml']))
      .addOption(socketOption())
      .allowExcessArguments(false),
    ['nodeplane cni gc --dry-run', 'nodeplane cni gc --network podnet'],
  )

async function wouldCollect({ socket, network }: Options): Promise<CollectedView> {
  const known = await proven(() => getView<readonly AttachmentView[]>(socket, 'attachments'))
  const removed = known.filter(
    each => each.isGone && (network === undefined || each.network === network),
  )
  return { removed, failed: [], left: removed.length }
}

/** The agent works for some seconds at a time. */
async function collectAll({ socket, network }: Options): Promise<CollectedView> {
  const query = network === undefined ? '' : `?${new URLSearchParams({ network }).toString()}`
  const path = `${COLLECT_PATH.slice('/api/v1/'.length)}${query}`
  const removed: CollectedAttachment[] = []
  for (;;) {
    const part = await proven(() => postTo<CollectedView>(socket, path))
    removed.push(...part.removed)
    const isMore = part.left > part.failed.length && part.removed.length > 0
    if (!isMore) return { ...part, removed }
  }
}

/** @throws {CannotProveError} there is no agent that knows of attachments. */
async function proven<T>(ask: () => Promise<T | undefined>): Promise<T> {
  const why =
    "only the agent's journal proves that a container has ended, so nothing was removed; an agent that starts removes what is gone by itself"
  try {
    const answer = await ask()
    if (answer !== undefined) return answer
  } catch (error) {
    if (!(error instanceof AgentUnreachableError)) throw error
    throw new CannotProveError(`${error.message}; ${why}`, { cause: error })
  }
  throw new CannotProveError(`this agent does no CNI calls; ${why}`)
}

/** A line for each. */
export function collectedText({ removed, failed }: CollectedView, isDryRun: boolean): string {
  const nameOf = ({ network, containerId, interface: ifname }: CollectedAttachment) =>
    `${ifname} of container ${containerId} in network ${network}`
  const verb = isDryRun ? 'would remove' : 'removed'
  const lines = [
    ...removed.map(each => `${verb} ${nameOf(each)}`),
    ...failed.map(each => `not removed: ${nameOf(each)}: ${each.reason}`),
  ]
  const all = lines.length === 0 ? ['nothing is left of containers that have gone'] : lines
  return all.map(line => `${printable(line)}\n`).join('')
}
