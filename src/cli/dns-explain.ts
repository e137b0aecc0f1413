import { Command } from 'commander'
import { DEFAULT_AGENT_SOCKET, getView } from '#agent/view/client.ts'
import type { DnsExplainView } from '#agent/view/types.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import {
  type Asking,
  asAsking,
  askingFrom,
  type ResolverOptions,
  resolverLine,
} from './dns-resolver.ts'
import { extendedErrorText } from './extended-errors.ts'
import { noDnsHere } from './no-dns-here.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { printable } from './output/table.ts'

type Options = ResolverOptions & { readonly output?: OutputFormat }
type Explained = Pick<Asking, 'resolver'> & { readonly candidates: readonly DnsExplainView[] }

/** `nodeplane dns explain`: how the agent answers each name that a resolver would try; 1 when nothing is found. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async (options, operands) => {
    const asking = await askingFrom(operands, options, io)
    const candidates = await explainAll(asking, options.socket ?? DEFAULT_AGENT_SOCKET)
    if (candidates === undefined) return noDnsHere(io)
    const explained: Explained = { resolver: asking.resolver, candidates }
    io.stdout.write(await printAs(options.output, explained, explainedText))
    return candidates.some(isFound) ? EXIT_OK : EXIT_FAILURE
  })

export const createCommand = (): Command =>
  withExamples(
    asAsking(
      new Command('nodeplane dns explain').description(
        "Tells how this node's DNS answers each name that a pod's resolver would try: the server block, the plugins, the answer with its TTL. It counts as no query. The exit status is 1 when nothing is found.",
      ),
    )
      .addOption(outputOption(['json', 'yaml']))
      .allowExcessArguments(false),
    [
      'nodeplane dns explain web.shop --from shop/client',
      'nodeplane dns explain example.org. AAAA -o yaml',
    ],
  )

/** Up to the first that has records, as a resolver asks; undefined: there is no DNS. */
async function explainAll(
  { names, type, client, resolver }: Asking,
  socket: string,
): Promise<readonly DnsExplainView[] | undefined> {
  const [server] = resolver.servers
  const candidates: DnsExplainView[] = []
  for (const name of names) {
    const query = new URLSearchParams({
      name,
      type,
      ...(client && { client }),
      ...(server && { server }),
    })
    const explained = await getView<DnsExplainView>(socket, `dns-explain?${query.toString()}`)
    if (explained === undefined) return undefined
    candidates.push(explained)
    if (isFound(explained)) break
  }
  return candidates
}

const isFound = ({ answers }: DnsExplainView): boolean => answers.length > 0

/** For people. */
export const explainedText = ({ resolver, candidates }: Explained): string =>
  [resolverLine(resolver), ...candidates.flatMap(candidateLines)]
    .map(line => `${printable(line)}\n`)
    .join('')

function candidateLines(candidate: DnsExplainView): readonly string[] {
  const { name, type, rcode, ttl, zone, listener, plugins, extendedErrors, error } = candidate
  const block = zone === undefined ? 'no server block' : `block ${zone} on ${listener}`
  const way = plugins.length === 0 ? '' : `, plugins ${plugins.join(' > ')}`
  return [
    '',
    `${name} ${type}: ${rcode || 'no answer'}${ttl === undefined ? '' : `, TTL ${ttl}`}`,
    `  ${block}${way}${sourceText(candidate)}`,
    ...(error === undefined ? [] : [`  why: ${error}`]),
    ...extendedErrors.map(each => `  EDE ${extendedErrorText(each)}`),
    ...candidate.answers.map(text => `  ${text}`),
  ]
}

/** What the last plugin that was asked means. */
function sourceText({ plugins, error }: DnsExplainView): string {
  const last = error === undefined ? plugins.at(-1) : undefined
  if (last === 'cache') return ': it was in the cache'
  if (last === 'forward' || last === 'grpc') return ': an upstream was asked'
  return last === undefined ? '' : `: ${last} answered`
}
