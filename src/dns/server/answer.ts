import type { Answered } from '../fast/fast-path.ts'
import { isRecordOf, type Message, type Query, type Reply, reply } from '../message.ts'
import type { Exchange, Handler, Plugin } from '../plugin.ts'
import type { Tally } from '../top/asked-most.ts'
import { isCrash, rcodeOfError } from '../unanswered.ts'
import { acceptPacket, type QueryMessage } from './accept.ts'
import type { InFlight } from './in-flight.ts'
import type { PacketOrigin } from './listener.ts'
import { encodeReply } from './reply-message.ts'
import type { Route } from './router.ts'

/** A server block as the listener sees it. */
export type ServingBlock = {
  /** Empty without a view. */
  readonly view: string
  readonly plugins: readonly Plugin[]
  readonly handler: Handler | undefined
  /** May answers be given again without asking the plugins? */
  readonly fastPath: boolean
}

/** What answering needs of the server. */
export type Answering = {
  /** `dns://:53`. */
  readonly server: string
  /** Are other classes than IN taken? */
  readonly takesAnyClass: boolean
  readonly route: (query: Query) => Route<ServingBlock> | undefined
  readonly inFlight: InFlight
  /** Told of every query. */
  readonly tally?: Tally | undefined
  /** Told of queries that no block took. */
  readonly onDropped: (exchange: Exchange) => void
  /** Told of faults of the program; the query was answered by SERVFAIL. */
  readonly onCrash: (error: unknown, query: Query) => void
}

/** Answers one packet; undefined sends nothing. Never rejects. */
export async function answerPacket(
  packet: Uint8Array,
  origin: PacketOrigin,
  answering: Answering,
): Promise<Uint8Array | undefined> {
  const start = performance.now()
  const acceptance = acceptPacket(packet)
  if (acceptance.kind !== 'query' && origin.onRefused !== undefined) {
    origin.onRefused()
    return undefined
  }
  if (acceptance.kind === 'drop') return undefined
  if (acceptance.kind === 'refuse') return acceptance.packet
  const query = queryFrom(acceptance.message, origin)
  // RFC 6891 section 6.1.3: the answer has the highest version that is known here, 0.
  if (query.edns !== undefined && query.edns.version !== 0) {
    return encodeReply(
      { ...query, edns: { ...query.edns, options: [] } },
      reply({ rcode: 'BADVERS' }),
    )
  }
  const route = routeOf(query, answering)
  const given = inOneMessage(await runHandler(route?.block.handler, query, answering), origin)
  const { octets, rcode } = encode(query, given, answering)
  const exchange: Exchange = {
    query,
    reply: given,
    rcode,
    server: answering.server,
    zone: route?.zone ?? 'dropped',
    view: route?.block.view ?? '',
    plugin: query.trace?.plugin ?? '',
    requestOctets: packet.length,
    replyOctets: octets?.length ?? 0,
    durationSeconds: (performance.now() - start) / 1000,
  }
  report(exchange, route?.block, answering)
  if (octets !== undefined && given?.remember !== undefined && route?.block.fastPath === true) {
    tellAnswered({ exchange, octets, plugins: route.block.plugins }, origin, answering)
  }
  if (octets === undefined || given?.following === undefined) return octets
  return sendAllButLast(octets, { query, given, origin, answering })
}

/** Sends the messages of a long answer; gives the last of them. The client may go at any time, then nothing is left to send. */
async function sendAllButLast(
  first: Uint8Array,
  {
    query,
    given,
    origin,
    answering,
  }: {
    readonly query: Query
    readonly given: Reply
    readonly origin: PacketOrigin
    readonly answering: Answering
  },
): Promise<Uint8Array | undefined> {
  if (origin.send === undefined) return first
  let waiting = first
  try {
    for (const answers of given.following ?? []) {
      await origin.send(waiting)
      waiting = encodeReply(query, { ...given, answers, authorities: [], additionals: [] })
    }
    return waiting
  } catch (error) {
    if (isCrash(error)) answering.onCrash(error, query)
    return undefined
  }
}

function queryFrom(message: QueryMessage, { transport, client, server }: PacketOrigin): Query {
  const { id, question, recursionDesired, checkingDisabled, authenticData, edns } = message
  return {
    id,
    question,
    opcode: message.opcode as Query['opcode'],
    recursionDesired,
    checkingDisabled,
    authenticData,
    edns,
    transport,
    client,
    server,
    trace: { plugin: '' },
    ...(question.type === 'IXFR' ? ixfrSerialOf(message) : {}),
  }
}

function ixfrSerialOf({ authorities: [soa] }: QueryMessage): { readonly ixfrSerial?: number } {
  return soa !== undefined && isRecordOf(soa, 'SOA') ? { ixfrSerial: soa.data.serial } : {}
}

function routeOf(query: Query, answering: Answering): Route<ServingBlock> | undefined {
  if (query.question.class !== 'IN' && !answering.takesAnyClass) return undefined
  const route = answering.route(query)
  return route?.block.handler === undefined ? undefined : route
}

async function runHandler(
  handler: Handler | undefined,
  query: Query,
  { inFlight, onCrash }: Answering,
): Promise<Reply | undefined> {
  if (handler === undefined) return reply({ rcode: 'REFUSED' })
  try {
    return await inFlight.run(signal => handler(query, signal))
  } catch (error) {
    if (isCrash(error)) onCrash(error, query)
    return reply({ rcode: rcodeOfError(error) })
  }
}

/** Zones are copied over plain TCP and TLS: HTTPS and gRPC answer by one message (RFC 8484 section 4.2.1), and half a zone is none. */
const inOneMessage = (given: Reply | undefined, origin: PacketOrigin): Reply | undefined =>
  given?.following !== undefined && origin.transport === 'tcp' && origin.send === undefined
    ? reply({ rcode: 'REFUSED' })
    : given

/** A reply that has no octets is a fault of the plugin that made it. */
function encode(
  query: Query,
  given: Reply | undefined,
  { onCrash }: Answering,
): { octets: Uint8Array | undefined; rcode: Message['rcode'] } {
  if (given === undefined) return { octets: undefined, rcode: 'NOERROR' }
  try {
    return { octets: encodeReply(query, given), rcode: given.rcode }
  } catch (error) {
    onCrash(error, query)
    return { octets: encodeReply(query, reply({ rcode: 'SERVFAIL' })), rcode: 'SERVFAIL' }
  }
}

/** Whatever goes wrong in remembering an answer, it is sent. */
function tellAnswered(answered: Answered, origin: PacketOrigin, { onCrash }: Answering): void {
  try {
    origin.onAnswered?.(answered)
  } catch (error) {
    onCrash(error, answered.exchange.query)
  }
}

function report(exchange: Exchange, block: ServingBlock | undefined, answering: Answering): void {
  const { question, client } = exchange.query
  answering.tally?.asked(question, 1)
  answering.tally?.cameFrom(client.address, 1)
  try {
    if (block === undefined) answering.onDropped(exchange)
    else for (const plugin of block.plugins) plugin.observe?.(exchange)
  } catch (error) {
    answering.onCrash(error, exchange.query)
  }
}
