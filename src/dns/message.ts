import type { IpAddress } from '#net/ip.ts'
import type { MadeIn } from './era.ts'

/**
 * Messages as values: what plugins see. Names are in presentation form, fully qualified (they end in a dot), in the case of
 * the message; octets that are not printable ASCII, dots and backslashes inside a label are escaped (RFC 1035 section 5.1).
 * Types, classes and rcodes are mnemonics; one without a mnemonic is `TYPE65280`, `CLASS7` (RFC 3597 section 5), `RCODE30`.
 */
export type Question = { readonly name: string; readonly type: string; readonly class: string }

type RecordOf<Type extends string, Data> = {
  readonly name: string
  readonly type: Type
  readonly class: string
  /** Seconds. */
  readonly ttl: number
  readonly data: Data
}

export type SrvData = {
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}

export type SoaData = {
  readonly mname: string
  readonly rname: string
  readonly serial: number
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  readonly minimum: number
}

/** RDATA of a type that is only carried: its octets, names in it uncompressed. */
export type OpaqueRecord = RecordOf<string, Uint8Array>

/** A resource record. The `data` of a known type is typed; narrow by {@link isRecordOf}. */
export type ResourceRecord =
  | RecordOf<'A' | 'AAAA', IpAddress>
  | RecordOf<'CNAME' | 'NS' | 'PTR', string>
  | RecordOf<'SRV', SrvData>
  | RecordOf<'SOA', SoaData>
  | RecordOf<'MX', { readonly preference: number; readonly exchange: string }>
  | RecordOf<'TXT', readonly Uint8Array[]>
  | RecordOf<'HINFO', { readonly cpu: string; readonly os: string }>
  | OpaqueRecord

/** The type of `data` in records of a type that is known. */
export type DataOf<Type extends string> = DataIn<Exclude<ResourceRecord, OpaqueRecord>, Type>

/** A record of the union may be of several types: its data is that of each. */
type DataIn<Known, Type extends string> =
  Known extends RecordOf<infer Types, infer Data> ? (Type extends Types ? Data : never) : never

type KnownType = Exclude<ResourceRecord, OpaqueRecord>['type']

/** Is this a record of a known type, with typed data? False for octets, as of an A record in class CH. */
export const isRecordOf = <Type extends KnownType>(
  record: ResourceRecord,
  type: Type,
): record is RecordOf<Type, DataOf<Type>> & ResourceRecord =>
  record.type === type && !(record.data instanceof Uint8Array)

export type EdnsOption = { readonly code: number; readonly data: Uint8Array }

/** The OPT pseudo-record (RFC 6891). */
export type Edns = {
  readonly version: number
  readonly udpSize: number
  readonly dnssecOk: boolean
  readonly options: readonly EdnsOption[]
}

/** A whole message, query or response (RFC 1035 section 4.1). */
export type Message = {
  readonly id: number
  readonly opcode: string
  /** The QR bit. */
  readonly isResponse: boolean
  readonly authoritative: boolean
  readonly truncated: boolean
  readonly recursionDesired: boolean
  readonly recursionAvailable: boolean
  readonly authenticData: boolean
  readonly checkingDisabled: boolean
  /** With the upper bits of the OPT record (RFC 6891 section 6.1.3). */
  readonly rcode: string
  /** undefined: the question section is empty, as in a FORMERR response. */
  readonly question: Question | undefined
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  /** Without the OPT record, which is {@link Message.edns}. */
  readonly additionals: readonly ResourceRecord[]
  readonly edns: Edns | undefined
}

/** What a response says and a {@link Reply} says again, without what belongs to one exchange. */
export const sectionsOf = ({
  rcode,
  authoritative,
  truncated,
  recursionAvailable,
  authenticData,
  answers,
  authorities,
  additionals,
}: Message) => ({
  rcode,
  authoritative,
  truncated,
  recursionAvailable,
  authenticData,
  answers,
  authorities,
  additionals,
})

export type Transport = 'udp' | 'tcp'

/** A question from a client, with what is known of the client. */
export type Query = {
  readonly id: number
  readonly question: Question
  readonly opcode: 'QUERY' | 'NOTIFY'
  readonly recursionDesired: boolean
  readonly checkingDisabled: boolean
  readonly authenticData: boolean
  /** undefined: the client sent no OPT, so none is sent back. */
  readonly edns: Edns | undefined
  readonly transport: Transport
  readonly client: { readonly address: IpAddress; readonly port: number }
  readonly server: { readonly address: IpAddress; readonly port: number }
  /** Where the chain notes how far the query got. Queries that plugins make from this one share it. */
  readonly trace?: QueryTrace | undefined
  /** The serial of the zone that the client has; of IXFR questions only (RFC 1995 section 3). */
  readonly ixfrSerial?: number
  /** How many look-ups through the server lie between the client's question and this one; absent: none. */
  readonly lookups?: number
}

/** The one mutable thing of a query: metrics name the plugin that answered, `metadata` collects labels. */
export type QueryTrace = { plugin: string; metadata?: Metadata }

/** Labels (`kubernetes/namespace`) and what gives their values; they are made only when something asks for them. */
export type Metadata = Map<string, () => string>

/** An answer as a value. ID, opcode, question and OPT are the server's business. */
export type Reply = {
  readonly rcode: string
  readonly authoritative: boolean
  readonly truncated: boolean
  readonly recursionAvailable: boolean
  readonly authenticData: boolean
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
  /** Options for the OPT of the answer; sent only to clients that sent one. */
  readonly ednsOptions: readonly EdnsOption[]
  /** Over TCP, the answer sections of the messages that come after this one: a zone transfer (RFC 5936 section 2.2). */
  readonly following?: Iterable<readonly ResourceRecord[]>
  /** The RD bit; that of the query when it is absent. */
  readonly recursionDesired?: boolean
  /** Octets that the answer may have over UDP at most, and that its OPT tells; what the client said when it is absent. */
  readonly maxUdpSize?: number
  /** It may be another one at any moment, so that nobody keeps it, `cache` neither. */
  readonly isTransient?: true
  /** That the answer may be given again without asking the chain; absent: it may not. */
  readonly remember?: Remember
}

/**
 * How the fast path may give an answer again, to whoever asks the same: name in any letters, type, class, DO, CD and AD. Whoever
 * changes a reply takes this away or makes it true again; see Plugin.fastPath.
 */
export type Remember = {
  /** The reply as it would be now, for a query that differs in letter case, client and size only. Quick and without effect. */
  readonly again: (query: Query) => Reply
  /** Milliseconds; Infinity: until {@link untilChange} says so. */
  readonly forMs: number
  /** TTLs are the seconds left of this time, rounded up; undefined: they stay as they are. */
  readonly ttlLeftMs: number | undefined
  /** Do the addresses of an answer come in another order each time? */
  readonly rotates: boolean
  /** Calls `forget` when the answer is not right any more, before anyone can see why; gives what ends that. */
  readonly untilChange?: ((forget: () => void) => () => void) | undefined
  /** The same as {@link untilChange} by a comparison: what very many answers depend on changes for all of them at once. */
  readonly madeIn?: MadeIn | undefined
  /** Told, some time later, how often it was given. */
  readonly counted?: ((times: number) => void) | undefined
}

/** A reply with nothing in it but what `parts` says; rcode NOERROR, not authoritative. */
export const reply = (parts: Partial<Reply> = {}): Reply => ({
  rcode: 'NOERROR',
  authoritative: false,
  truncated: false,
  recursionAvailable: false,
  authenticData: false,
  answers: [],
  authorities: [],
  additionals: [],
  ednsOptions: [],
  ...parts,
})
