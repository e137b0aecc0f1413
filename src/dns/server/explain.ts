import type { IpAddress } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import { type ExtendedError, extendedErrorsIn } from '../extended-error.ts'
import type { Metadata, Query, QueryTrace, Question, Reply } from '../message.ts'
import { recordText } from '../record-text.ts'
import { rcodeOfError } from '../unanswered.ts'
import type { Generation } from './generation.ts'

/** How long an explanation may take, milliseconds: `forward` gives up sooner. */
const TIMEOUT_MS = 6_000

/** A size that goes through everywhere (DNS flag day 2020), octets. */
const UDP_SIZE = 1232

export type Explained = {
  readonly question: Question
  /** As whom it is asked. */
  readonly client: IpAddress
  /** The address that is asked; undefined: any. */
  readonly server?: IpAddress | undefined
}

/** How the server answers a question. */
export type Explanation = {
  readonly name: string
  readonly type: string
  /** `dns://:53`: the listener; undefined: nobody listens for plain DNS. */
  readonly listener: string | undefined
  /** The zone of the server block that it is for; undefined: none takes it. */
  readonly zone: string | undefined
  /** The plugins that it came through, in this order; the last one gave the answer. */
  readonly plugins: readonly string[]
  readonly rcode: string
  /** Lines of a zone file. */
  readonly answers: readonly string[]
  readonly authorities: readonly string[]
  /** Of the answers, or of the authorities where there are none, the shortest; seconds. */
  readonly ttl: number | undefined
  readonly extendedErrors: readonly ExtendedError[]
  /** Why there is none. */
  readonly error: string | undefined
  readonly durationMs: number
}

/**
 * Asks the plugins as a client would and tells what they did. The server counts no query and logs none; what the plugins that
 * it goes through count themselves (`cache`, `forward`) they count, and `cache` keeps what it brings.
 */
export async function explain(explained: Explained, generation: Generation): Promise<Explanation> {
  const { question } = explained
  const listener = listenerFor(explained.server, generation)
  const steps = new Steps()
  const query = queryFrom(explained, listener?.port ?? 53, steps)
  const route = listener && generation.route(listener.key, query)
  const began = performance.now()
  const { reply, rcode, error } = await ask(route?.block.handler, query, generation)
  const { answers = [], authorities = [], ednsOptions = [] } = reply ?? {}
  const counted = answers.length > 0 ? answers : authorities
  return {
    name: question.name,
    type: question.type,
    listener: listener?.key,
    zone: route?.zone,
    plugins: steps.taken,
    rcode,
    answers: answers.map(record => recordText(record)),
    authorities: authorities.map(record => recordText(record)),
    ttl: counted.length === 0 ? undefined : Math.min(...counted.map(({ ttl }) => ttl)),
    extendedErrors: extendedErrorsIn(ednsOptions),
    error,
    durationMs: performance.now() - began,
  }
}

/** Notes every plugin that a query gets to: `chain` writes each into `plugin`. */
class Steps implements QueryTrace {
  readonly taken: string[] = []
  metadata?: Metadata

  get plugin(): string {
    return this.taken.at(-1) ?? ''
  }

  set plugin(name: string) {
    this.taken.push(name)
  }
}

/** The listener for plain DNS that is bound to the address, else one for all addresses, else any. */
function listenerFor(server: IpAddress | undefined, { plan }: Generation) {
  const plain = [...plan.listeners]
    .filter(([, { scheme }]) => scheme === 'dns')
    .map(([key, { address, port }]) => ({ key, address, port }))
  return (
    plain.find(({ address }) => address !== undefined && address === server) ??
    plain.find(({ address }) => address === undefined) ??
    plain[0]
  )
}

const queryFrom = ({ question, client, server }: Explained, port: number, trace: Steps): Query => ({
  id: 0,
  question,
  opcode: 'QUERY',
  recursionDesired: true,
  checkingDisabled: false,
  authenticData: false,
  edns: { version: 0, udpSize: UDP_SIZE, dnssecOk: false, options: [] },
  transport: 'udp',
  client: { address: client, port: 1024 },
  server: { address: server ?? client, port },
  trace,
})

type Outcome = {
  readonly reply: Reply | undefined
  readonly rcode: string
  readonly error: string | undefined
}

async function ask(
  handler: NonNullable<ReturnType<Generation['route']>>['block']['handler'],
  query: Query,
  { inFlight }: Generation,
): Promise<Outcome> {
  if (handler === undefined) {
    return { reply: undefined, rcode: 'REFUSED', error: 'no server block is for this name' }
  }
  const limit = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const reply = await inFlight.run(signal => handler(query, AbortSignal.any([signal, limit])))
    if (reply === undefined) return { reply, rcode: '', error: 'nothing is sent' }
    return { reply, rcode: reply.rcode, error: undefined }
  } catch (error) {
    return { reply: undefined, rcode: rcodeOfError(error), error: describeError(error) }
  }
}
