import { parseIp } from '#net/ip.ts'
import { parsePrefix, prefixContains } from '#net/prefix.ts'
import type { Query } from '../message.ts'
import { opcodes } from '../wire/mnemonics.ts'
import { ExpressionError } from './expression-error.ts'
import type { Value } from './operators.ts'
import type { Scope } from './parser.ts'

/** A text of a query, as a function without arguments. */
const plain = (get: (query: Query) => Value) => ({ arity: 0, call: get })

/** What an expression may ask of a query (CoreDNS: plugin/pkg/expression). Names and types are as in messages; names lower case. */
const functions: Scope<Query>['functions'] = {
  bufsize: plain(({ edns, transport }) =>
    transport === 'tcp' ? 65_535 : Math.max(512, edns?.udpSize ?? 0),
  ),
  class: plain(({ question }) => question.class),
  client_ip: plain(({ client }) => client.address),
  do: plain(({ edns }) => edns?.dnssecOk === true),
  id: plain(({ id }) => id),
  name: plain(({ question }) => question.name.toLowerCase()),
  opcode: plain(({ opcode }) => opcodes.toNumber(opcode) ?? 0),
  port: plain(({ client }) => String(client.port)),
  proto: plain(({ transport }) => transport),
  server_ip: plain(({ server }) => server.address),
  server_port: plain(({ server }) => String(server.port)),
  type: plain(({ question }) => question.type),
  incidr: { arity: 2, call: (_, [address, prefix]) => isInPrefix(address, prefix) },
}

/** Expressions that are judged before the plugins run: no label is known then. */
export const queryScope: Scope<Query> = {
  functions,
  refusals: {
    metadata: 'not supported in a view: views are chosen before plugins set labels',
    size: 'not supported: the size of the packet is not kept',
  },
}

/** As {@link queryScope}, with the labels that `metadata` collected. */
export const queryScopeWithMetadata: Scope<Query> = {
  functions: {
    ...functions,
    metadata: {
      arity: 1,
      call: ({ trace }, [label]) => trace?.metadata?.get(String(label))?.() ?? '',
    },
  },
  refusals: { size: queryScope.refusals?.['size'] ?? '' },
}

function isInPrefix(address: Value, prefix: Value): boolean {
  const ip = parseIp(String(address))
  const net = parsePrefix(String(prefix))
  if (net === undefined) throw new ExpressionError(`incidr: '${String(prefix)}' is no network`)
  return ip !== undefined && prefixContains(net, ip)
}
