import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { keyOf, type Service } from '#cluster/objects.ts'
import type { StoreReader } from '#cluster/store.ts'
import type { Message } from '#dns/message.ts'
import { decodeMessage } from '#dns/wire/decode.ts'
import { encodeMessage } from '#dns/wire/encode.ts'
import type { ZoneOptions } from '#dns/zone/zone-options.ts'
import { familyOf, formatHostPort, type IpAddress, parseIpLenient } from '#net/ip.ts'
import { failed, ok, type ProbeResult } from './probe.ts'

/** What is asked, and what must be in the answer. */
export type DnsQuestion = {
  readonly name: string
  readonly type: 'A' | 'AAAA' | 'TXT'
  /** undefined: any answer will do. */
  readonly address: IpAddress | undefined
}

export type DnsTarget = { readonly address: IpAddress; readonly port: number }

/** What of the zone's options decides whether a Service has a name. */
type NamedBy = Pick<ZoneOptions, 'namespaces' | 'selectsNamespace' | 'ignoreEmptyServices'>

/**
 * A name that must exist in `zone` (with its last dot): a Service's, best one that does not go away. Where none is certain to have
 * one, the version of the DNS specification, which every cluster zone has (Kubernetes DNS specification 1.1.0, section 2.2).
 */
export function chooseName(
  store: Pick<StoreReader, 'get' | 'list'>,
  zone: string,
  { namespaces, selectsNamespace, ignoreEmptyServices }: NamedBy,
): DnsQuestion {
  const isNamed = ({ metadata: { namespace } }: Service) => {
    // A namespace that is gone has no names, though what was in it may go later.
    const labels = store.get('Namespace', namespace)?.metadata.labels
    if (labels === undefined) return false
    return (namespaces?.has(namespace) ?? true) && (selectsNamespace?.(labels) ?? true)
  }
  const stable = store.get('Service', 'default/kubernetes')
  const others = ignoreEmptyServices ? [] : store.list('Service')
  for (const service of chain(stable === undefined ? [] : [stable], others)) {
    const question = isNamed(service) ? questionOf(service, zone) : undefined
    if (question !== undefined) return question
  }
  return { name: `dns-version.${zone}`, type: 'TXT', address: undefined }
}

function* chain<T>(...lists: readonly Iterable<T>[]): Generator<T> {
  for (const list of lists) yield* list
}

function questionOf(service: Service, zone: string): DnsQuestion | undefined {
  const address = parseIpLenient(service.clusterIP)
  if (service.type === 'ExternalName' || address === undefined) return undefined
  const [namespace, name] = keyOf(service).split('/')
  const type = familyOf(address) === 4 ? 'A' : 'AAAA'
  return { name: `${name}.${namespace}.svc.${zone}`, type, address }
}

/** Asks over UDP, as a pod does, and compares what is answered. */
export async function probeDns(
  question: DnsQuestion,
  target: DnsTarget,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { name, type } = question
  const id = randomInt(0x10000)
  const query = encodeMessage({ ...emptyQuery, id, question: { name, type, class: 'IN' } })
  const answer = await exchange({ query, id }, target, signal)
  const reason = whyWrong(question, answer)
  if (reason === undefined) return ok
  return failed(`${formatHostPort(target.address, target.port)} asked for ${name}: ${reason}`)
}

const emptyQuery: Message = {
  id: 0,
  opcode: 'QUERY',
  isResponse: false,
  authoritative: false,
  truncated: false,
  recursionDesired: true,
  recursionAvailable: false,
  authenticData: false,
  checkingDisabled: false,
  rcode: 'NOERROR',
  question: undefined,
  answers: [],
  authorities: [],
  additionals: [],
  edns: undefined,
}

/** Pure: what is wrong with an answer (or with none); undefined when it is right. */
export function whyWrong(
  { type, address }: DnsQuestion,
  answer: Message | undefined,
): string | undefined {
  if (answer === undefined) return 'no answer'
  if (answer.rcode !== 'NOERROR') return answer.rcode
  const records = answer.answers.filter(record => record.type === type)
  if (records.length === 0) return 'an empty answer'
  if (address === undefined || records.some(({ data }) => data === address)) return undefined
  return `an answer without ${address}`
}

function exchange(
  { query, id }: { readonly query: Uint8Array; readonly id: number },
  { address, port }: DnsTarget,
  signal: AbortSignal,
): Promise<Message | undefined> {
  const { promise, resolve } = Promise.withResolvers<Message | undefined>()
  const socket = createSocket(familyOf(address) === 4 ? 'udp4' : 'udp6')
  socket.on('message', packet => {
    const message = answerIn(packet)
    if (message?.isResponse === true && message.id === id) resolve(message)
  })
  // Nobody listens (ECONNREFUSED), or no route: there is no answer.
  socket.on('error', () => resolve(undefined))
  const onAbort = () => resolve(undefined)
  signal.addEventListener('abort', onAbort, { once: true })
  socket.connect(port, address, () => {
    socket.send(query)
  })
  return promise.finally(() => {
    signal.removeEventListener('abort', onAbort)
    socket.close()
  })
}

function answerIn(packet: Uint8Array): Message | undefined {
  const decoded = decodeMessage(packet)
  return decoded.kind === 'message' ? decoded.message : undefined
}
