import { Command, InvalidArgumentError } from 'commander'
import { getView } from '#agent/view/client.ts'
import type { DnsCacheView } from '#agent/view/types.ts'
import { type SocketOption, socketOption } from './agent-socket.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import { noDnsHere } from './no-dns-here.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { table } from './output/table.ts'

type Options = SocketOption & { readonly output?: OutputFormat; readonly limit: number }

/** What the agent tells of at once. */
const MAX_ENTRIES = 1_000

/** `nodeplane dns cache`: what the caches hold; 1 when a name is asked for that none has. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async ({ socket, output, limit }, [name]) => {
    const query = new URLSearchParams({ limit: `${limit}`, ...(name && { name }) })
    const view = await getView<DnsCacheView>(socket, `dns-cache?${query.toString()}`)
    if (view === undefined) return noDnsHere(io)
    io.stdout.write(await printAs(output, view, listing))
    return name !== undefined && view.entries.length === 0 ? EXIT_FAILURE : EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane dns cache')
      .description(
        'Shows the cache of each server block, and what it holds. Looking counts as no query.',
      )
      .argument(
        '[name]',
        'only what is there for this full name; exit status 1 when that is nothing',
      )
      .option('--limit <count>', `entries that are shown, up to ${MAX_ENTRIES}`, parseLimit, 100)
      .addOption(outputOption(['json', 'yaml']))
      .addOption(socketOption())
      .allowExcessArguments(false),
    ['nodeplane dns cache', 'nodeplane dns cache example.org'],
  )

function parseLimit(text: string): number {
  const limit = Number(text)
  if (!/^[0-9]+$/.test(text) || limit < 1 || limit > MAX_ENTRIES) {
    throw new InvalidArgumentError(`use a number, 1 to ${MAX_ENTRIES}.`)
  }
  return limit
}

function listing({ blocks, entries }: DnsCacheView): string {
  const caches = table(blocks, [
    { title: 'SERVER', value: ({ server }) => server },
    { title: 'ZONES', value: ({ zones }) => zones.join(',') },
    { title: 'VIEW', value: ({ view }) => view },
    { title: 'ANSWERS', value: ({ answers }) => answers },
    { title: 'DENIALS', value: ({ denials }) => denials },
    { title: 'KIB', value: ({ bytes }) => Math.ceil(bytes / 1024) },
    { title: 'HIT-RATIO', value: ({ hits, misses }) => hitRatio(hits, misses) },
  ])
  const kept = table(entries, [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'TYPE', value: ({ type }) => type },
    { title: 'TTL', value: ({ ttl }) => (ttl > 0 ? ttl : 'stale') },
    { title: 'RCODE', value: ({ rcode }) => rcode },
    { title: 'RECORDS', value: ({ records }) => records.join(', ') },
  ])
  return entries.length === 0 ? caches : `${caches}\n${kept}`
}

const hitRatio = (hits: number, misses: number): string =>
  hits + misses === 0 ? '-' : `${((hits / (hits + misses)) * 100).toFixed(1)}%`
