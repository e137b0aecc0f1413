import type { IpAddress } from '#net/ip.ts'

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

export type EdnsOption = { readonly code: number; readonly data: Uint8Array }

/** The OPT pseudo-record (RFC 6891). */
export type Edns = {
  readonly version: number
  readonly udpSize: number
  readonly dnssecOk: boolean
  readonly options: readonly EdnsOption[]
}

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
  /** How many look-ups through the server lie between the client's question and this one; absent: none. */
  readonly lookups?: number
}

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
