import type { IpFamily } from '#net/ip.ts'
import { addressFamily } from './netlink/address.ts'
import { decodeAttributes, readText } from './netlink/attribute.ts'
import { decodeMessages } from './netlink/message.ts'

/** What happened to something in a table, for example `rule added`. */
export type NftEvent = `${NftObject} ${'added' | 'deleted'}`
export type NftObject = 'table' | 'chain' | 'rule' | 'set' | 'element' | 'object' | 'flowtable'

/** The end of a transaction, and who made it. */
export type NftCommit = {
  readonly program: string
  /** As the initial process id namespace counts. */
  readonly pid: number
}

/** NFNL_SUBSYS_NFTABLES (linux/netfilter/nfnetlink.h). */
const SUBSYSTEM = 10
/** Bytes of struct nfgenmsg: family u8, version u8, resource id u16. */
const NFGENMSG_BYTES = 4
/** NFT_MSG_NEWGEN, and NFTA_GEN_… (linux/netfilter/nf_tables.h). */
const NEWGEN = 15
const GenAttribute = { pid: 2, name: 3 } as const
/** NFTA_…_TABLE is the first attribute of each of these. */
const TABLE_ATTRIBUTE = 1
/** NFTA_RULE_CHAIN and NFTA_CHAIN_NAME. */
const chainAttributes: Partial<Record<NftEvent, number>> = {
  'chain added': 3,
  'chain deleted': 3,
  'rule added': 2,
  'rule deleted': 2,
}

/** NFT_MSG_… */
const events: Readonly<Record<number, NftEvent>> = {
  0: 'table added',
  2: 'table deleted',
  3: 'chain added',
  5: 'chain deleted',
  6: 'rule added',
  8: 'rule deleted',
  9: 'set added',
  11: 'set deleted',
  12: 'element added',
  14: 'element deleted',
  18: 'object added',
  20: 'object deleted',
  22: 'flowtable added',
  24: 'flowtable deleted',
}

/** Where something happened; a chain when it was a chain or a rule. */
export type NftPlace = { readonly table: string; readonly chain: string | undefined }

/** The tables of a family, or what of them is of interest. */
export type NftInterest = {
  readonly family: IpFamily
  readonly concerns: (event: NftEvent, place: NftPlace) => boolean
}

/** The port id of whoever made the transaction that a datagram of events is of. */
export const senderOf = (datagram: Buffer): number | undefined =>
  datagram.length < 16 ? undefined : datagram.readUInt32LE(12)

/**
 * What a datagram of nftables events tells: what happened that is of interest, and of any transaction its end.
 * @throws {RangeError} a length leads outside it.
 */
export function* parseNftEvents(
  datagram: Buffer,
  interest: NftInterest,
): Generator<NftEvent | NftCommit> {
  const family = addressFamily(interest.family)
  for (const { type, payload } of decodeMessages(datagram)) {
    if (type >> 8 !== SUBSYSTEM || payload.length < NFGENMSG_BYTES) continue
    const number = type & 0xff
    const event = events[number]
    if (number !== NEWGEN && (event === undefined || payload[0] !== family)) continue
    const attributes = decodeAttributes(payload.subarray(NFGENMSG_BYTES))
    if (event === undefined) {
      const pid = attributes.get(GenAttribute.pid)
      const program = readText(attributes, GenAttribute.name) ?? ''
      yield { program, pid: pid?.length === 4 ? pid.readUInt32BE() : 0 }
      continue
    }
    const table = readText(attributes, TABLE_ATTRIBUTE) ?? ''
    const chainAttribute = chainAttributes[event]
    const chain = chainAttribute === undefined ? undefined : readText(attributes, chainAttribute)
    if (interest.concerns(event, { table, chain })) yield event
  }
}
