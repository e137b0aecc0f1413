import { type Command, InvalidArgumentError } from 'commander'
import { clientFrom } from '#agent/why/collect/client.ts'
import { resolverFor } from '#agent/why/collect/resolver.ts'
import { namespaceOf } from '#agent/why/collect/surroundings.ts'
import type { Resolver } from '#agent/why/facts.ts'
import { candidatesOf } from '#agent/why/names.ts'
import { normalizeName } from '#dns/name.ts'
import { recordTypes } from '#dns/wire/mnemonics.ts'
import type { SeenNamespace } from '#linux/namespace-list.ts'
import type { IpAddress } from '#net/ip.ts'
import { type CommandIo } from './command-line.ts'
import { printable } from './output/table.ts'
import { surroundingsFor, type WhySources, withWhySources } from './why-surroundings.ts'

export type ResolverOptions = WhySources & {
  readonly from?: string
  readonly namespace: string
}

/** A question as somebody's resolver library puts it. */
export type Asking = {
  readonly resolver: Resolver
  /** What it asks for, in this order. */
  readonly names: readonly string[]
  readonly type: string
  /** Who asks; undefined: the node. */
  readonly client: IpAddress | undefined
  /** Where the client is, when it is a pod of this node. */
  readonly place: SeenNamespace | undefined
}

/** A command that asks a name: operands and options. */
export const asAsking = (command: Command): Command =>
  withWhySources(
    command
      .argument(
        '<name>',
        'as a program would ask for it; one that ends in a dot is tried as it is',
        nameArgument,
      )
      .argument('[type]', 'the type of the records', typeArgument, 'A')
      .option('--from <pod>', 'as whom: NAMESPACE/POD, or an address; else as a pod of --namespace')
      .option('-n, --namespace <name>', 'of pods without one', 'default'),
  )

/** What the client's resolver would do. @throws {ConfigError} there is no such client. */
export async function askingFrom(
  [name = '', type = 'A']: readonly string[],
  options: ResolverOptions,
  io: CommandIo,
): Promise<Asking> {
  const surroundings = await surroundingsFor(options, io)
  const client = await clientFrom(options.from, options.namespace, surroundings)
  const resolver = resolverFor(client.pod, options.namespace, surroundings)
  const [address] = client.kind === 'node' ? [] : client.addresses
  return {
    resolver,
    names: candidatesOf(name, resolver).map(each => each.name),
    type: type.toUpperCase(),
    client: address,
    place: client.kind === 'pod' && address ? namespaceOf(surroundings, address) : undefined,
  }
}

/** The resolver as a comment line. */
export const resolverLine = ({ servers, searches, ndots, why }: Resolver): string =>
  printable(
    `;; nameserver ${servers.join(' ') || '<none>'}, search ${searches.join(' ') || '<none>'}, ndots ${ndots} (${why})`,
  )

function nameArgument(text: string): string {
  if (normalizeName(text) !== undefined) return text
  throw new InvalidArgumentError(`'${text}' is not a name.`)
}

function typeArgument(text: string): string {
  if (recordTypes.toNumber(text) !== undefined) return text
  throw new InvalidArgumentError(`there is no type '${text}'.`)
}
