import { Command, InvalidArgumentError } from 'commander'
import { askForMessage, type NoAnswer } from '#agent/why/collect/ask-dns.ts'
import { extendedErrorsIn } from '#dns/extended-error.ts'
import type { Message } from '#dns/message.ts'
import { recordText } from '#dns/record-text.ts'
import { NetworkNamespace } from '#linux/namespace.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK, runCommand, withExamples } from './command-line.ts'
import {
  type Asking,
  asAsking,
  askingFrom,
  type ResolverOptions,
  resolverLine,
} from './dns-resolver.ts'
import { extendedErrorText } from './extended-errors.ts'
import { type OutputFormat, outputOption, printAs } from './output/formats.ts'
import { printable } from './output/table.ts'

type Options = ResolverOptions & {
  readonly server?: IpAddress
  readonly port: number
  readonly output?: OutputFormat
}

/** One question and what came of it. */
export type Tried = {
  readonly name: string
  readonly type: string
  readonly server: string
  /** The rcode, or `SILENT`, `REFUSED BY HOST`, `UNREACHABLE`, `MALFORMED`. */
  readonly result: string
  readonly milliseconds: number
  readonly answers: readonly string[]
  readonly extendedErrors: readonly string[]
}

type Walk = Pick<Asking, 'resolver'> & { readonly tried: readonly Tried[] }

/** glibc's RES_TIMEOUT, milliseconds. */
const TIMEOUT_MS = 5_000

/** `nodeplane dns query`: asks as a pod would; 1 when nothing is found. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async (options, operands) => {
    const { output, server, port } = options
    const asking = await askingFrom(operands, options, io)
    const servers = server === undefined ? asking.resolver.servers : [server]
    const resolver = { ...asking.resolver, servers }
    const walk: Walk = { resolver, tried: await walkNames({ ...asking, resolver }, port) }
    io.stdout.write(await printAs(output, walk, walkText))
    return walk.tried.some(isFound) ? EXIT_OK : EXIT_FAILURE
  })

export const createCommand = (): Command =>
  withExamples(
    asAsking(
      new Command('nodeplane dns query')
        .description(
          'Asks for a name as a pod does: its nameserver, its search list, from its network where it is on this node. The exit status is 1 when nothing is found.',
        )
        .option('--server <ip>', 'ask this one', addressOption)
        .option('--port <number>', 'of the server', portOption, 53),
    )
      .addOption(outputOption(['json', 'yaml']))
      .allowExcessArguments(false),
    [
      'nodeplane dns query web --from shop/client',
      'nodeplane dns query web.shop.svc.cluster.local. AAAA --server 10.96.0.10',
    ],
  )

/** Asks name by name and ends with the first that has records, or to which no server says anything, as glibc does. */
async function walkNames(asking: Asking, port: number): Promise<readonly Tried[]> {
  using namespace = asking.place && NetworkNamespace.open(asking.place.path)
  const tried: Tried[] = []
  for (const name of asking.names) {
    for (const server of asking.resolver.servers) {
      const began = performance.now()
      const question = { name, type: asking.type, server, port, timeoutMs: TIMEOUT_MS, namespace }
      const answer = await askForMessage(question)
      const milliseconds = Math.round((performance.now() - began) * 10) / 10
      tried.push({ name, type: asking.type, server, milliseconds, ...outcomeOf(answer) })
      if (!('failed' in answer)) break
    }
    const last = tried.at(-1)
    if (last === undefined || isFound(last) || failures.has(last.result)) break
  }
  return tried
}

const failureTexts: Readonly<Record<NoAnswer['failed'], string>> = {
  silent: 'SILENT',
  refused: 'REFUSED BY HOST',
  unreachable: 'UNREACHABLE',
  malformed: 'MALFORMED',
}
const failures: ReadonlySet<string> = new Set(Object.values(failureTexts))

function outcomeOf(
  answer: Message | NoAnswer,
): Pick<Tried, 'result' | 'answers' | 'extendedErrors'> {
  if ('failed' in answer) {
    return { result: failureTexts[answer.failed], answers: [], extendedErrors: [] }
  }
  const { rcode, answers, truncated, edns } = answer
  return {
    result: truncated ? `${rcode}, truncated` : rcode,
    answers: answers.map(record => recordText(record)),
    extendedErrors: extendedErrorsIn(edns?.options ?? []).map(extendedErrorText),
  }
}

const isFound = ({ answers }: Tried): boolean => answers.length > 0

/** For people: what was tried as comments, as dig has them, then the records. */
export function walkText({ resolver, tried }: Walk): string {
  const lines = tried.flatMap(each => [
    `;; ${each.name} ${each.type} at ${each.server}: ${each.result}, ${each.milliseconds} ms`,
    ...each.extendedErrors.map(text => `;; EDE ${text}`),
    ...each.answers,
  ])
  return [resolverLine(resolver), ...lines].map(line => `${printable(line)}\n`).join('')
}

function addressOption(text: string): IpAddress {
  const address = parseIp(text)
  if (address === undefined) throw new InvalidArgumentError(`'${text}' is not an IP address.`)
  return address
}

function portOption(text: string): number {
  const port = Number(text)
  if (!/^[0-9]+$/.test(text) || port < 1 || port > 65_535) {
    throw new InvalidArgumentError('use a port, 1 to 65535.')
  }
  return port
}
