import type { IpAddress, IpFamily } from '#net/ip.ts'
import { familyOf, ipFromBytes, ipToBytes } from '#net/ip.ts'
import { protocolNumbers } from '#net/protocol.ts'
import { addressFamily } from './netlink/address.ts'
import {
  type Attribute,
  type AttributeMap,
  decodeAttributes,
  encodeAttributes,
  NLA_F_NESTED,
  readNested,
  readUint,
  u8Attribute,
  u32Attribute,
} from './netlink/attribute.ts'
import { isInvalid, isNotFound, isUnsupported } from './netlink/error.ts'
import type { Message } from './netlink/message.ts'
import { NETLINK_NETFILTER } from './netlink/raw-socket.ts'
import { NetlinkSocket } from './netlink/socket.ts'

/** NFNL_SUBSYS_CTNETLINK in the high byte, IPCTNL_MSG_CT_… in the low one (linux/netfilter/nfnetlink*.h). */
const CT_GET = (1 << 8) | 1
const CT_DELETE = (1 << 8) | 2
const CT_GET_STATS = (1 << 8) | 5

/** Bytes of struct nfgenmsg: family u8, version u8 (0), resource id u16 (0). */
const NFGENMSG_BYTES = 4

/** CTA_… */
const Cta = { tupleOrig: 1, tupleReply: 2, id: 12, zone: 18, filter: 25 } as const
/** CTA_STATS_GLOBAL_… */
const CtaStatsGlobal = { entries: 1 } as const
/** CTA_TUPLE_… */
const CtaTuple = { ip: 1, proto: 2 } as const
/** CTA_IP_… */
const CtaIp = { v4Src: 1, v4Dst: 2, v6Src: 3, v6Dst: 4 } as const
/** CTA_PROTO_…; ports are in network order. */
const CtaProto = { num: 1, srcPort: 2, dstPort: 3 } as const
/** CTA_FILTER_…, and the flags that say what of a tuple is compared (CTA_FILTER_F_…, nf_conntrack_netlink.c). */
const CtaFilter = { origFlags: 1, replyFlags: 2 } as const
const Compare = {
  source: 1 << 0,
  destination: 1 << 1,
  protocol: 1 << 3,
  sourcePort: 1 << 4,
  destinationPort: 1 << 5,
} as const

/** Deletions that are asked for by one system call; the answers of 250 fit the default receive buffer. */
const DELETIONS_AT_ONCE = 64

/** A UDP flow that the kernel tracks: where its first packet was sent, and where answers come from after any DNAT. */
export type UdpFlow = {
  readonly destination: IpAddress
  readonly destinationPort: number
  readonly replySource: IpAddress
  readonly replySourcePort: number
}

/** Where first packets were sent: this port of an address, or of any. */
export type UdpDestination = { readonly address?: IpAddress; readonly port: number }

/** The flows of one way: sent there, answered from there. */
export type UdpPath = { readonly destination: HostPort; readonly replySource: HostPort }
type HostPort = { readonly address: IpAddress; readonly port: number }

/** Which UDP entries are listed: all of a family, or those to one destination and maybe others, as the kernel can filter. */
export type UdpQuery = { readonly family: IpFamily; readonly destination?: UdpDestination }

/** The first packet of a TCP connection, as its sender sent it. */
export type TcpTuple = {
  readonly source: IpAddress
  readonly sourcePort: number
  readonly destination: IpAddress
  readonly destinationPort: number
}

/** What names one entry of the table: its original tuple and zone, and an id, which a new entry does not inherit. */
export type EntryKey = { readonly family: IpFamily; readonly attributes: Buffer }

/** The conntrack table of a network namespace, by ctnetlink. */
export class Conntrack implements Disposable {
  readonly #socket: NetlinkSocket

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  /** That of the calling thread's namespace. @throws {SystemCallError} */
  static open(): Conntrack {
    return new Conntrack(NetlinkSocket.open(undefined, NETLINK_NETFILTER))
  }

  /**
   * The keys of the UDP entries that `isWanted`; those made or gone meanwhile may be missing. Also entries that
   * the query did not ask for may be shown. @throws {NetlinkError}
   */
  async listUdp(
    query: UdpQuery,
    isWanted: (flow: UdpFlow) => boolean,
  ): Promise<readonly EntryKey[]> {
    const { family } = query
    const keys: EntryKey[] = []
    const request = {
      operation: `list IPv${family} UDP conntrack entries`,
      type: CT_GET,
      payload: encodeUdpQuery(query),
      // Going through the buckets takes 15 ms where there are 262,144 of them, however few are filled.
      isSlow: true,
    }
    const visit = ({ payload }: Message) => {
      const attributes = decodeAttributes(payload.subarray(NFGENMSG_BYTES))
      const flow = udpFlowOf(attributes)
      if (flow === undefined || !isWanted(flow)) return
      keys.push({ family, attributes: encodeKey(attributes) })
    }
    await this.#socket.visit(request, visit)
    return keys
  }

  /**
   * Deletes the UDP entries of these paths by what the kernel compares itself: one walk through the buckets for each,
   * which holds up no packet. Undefined when it cannot: before Linux 6.11, where the request lacks half of a tuple
   * (EINVAL), and for IPv6 (see {@link encodeUdpQuery}).
   * Gives by how many entries, of any kind, the table was shorter afterwards: the kernel does not tell how many it
   * deleted. @throws {NetlinkError}
   */
  async deletePaths(
    family: IpFamily,
    paths: readonly UdpPath[],
    signal?: AbortSignal,
  ): Promise<number | undefined> {
    if (family === 6) return undefined
    const before = await this.#countEntries()
    for (const path of paths) {
      if (signal?.aborted) break
      try {
        await this.#socket.request({
          operation: `delete UDP conntrack entries of ${path.destination.address}`,
          type: CT_DELETE,
          payload: encodeUdpPath(path),
          isSlow: true,
        })
      } catch (error) {
        if (isInvalid(error) || isUnsupported(error)) return undefined
        throw error
      }
    }
    return Math.max(0, before - (await this.#countEntries()))
  }

  async #countEntries(): Promise<number> {
    const [answer] = await this.#socket.request({
      operation: 'count conntrack entries',
      type: CT_GET_STATS,
      payload: Buffer.alloc(NFGENMSG_BYTES),
    })
    const statistics = decodeAttributes(answer?.payload.subarray(NFGENMSG_BYTES) ?? Buffer.of())
    return statistics.get(CtaStatsGlobal.entries)?.readUInt32BE() ?? 0
  }

  /** Where the answers of a TCP connection come from after any DNAT; undefined: it is not tracked. @throws {NetlinkError} */
  async tcpReplySource(tuple: TcpTuple): Promise<IpAddress | undefined> {
    try {
      const [answer] = await this.#socket.request({
        operation: `find the conntrack entry of ${tuple.destination}`,
        type: CT_GET,
        payload: encodeTcpQuery(tuple),
      })
      if (answer === undefined) return undefined
      const attributes = decodeAttributes(answer.payload.subarray(NFGENMSG_BYTES))
      return addressIn(readNested(attributes, Cta.tupleReply), CtaIp.v4Src, CtaIp.v6Src)
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /** Deletes entries, many by one system call; gives how many of them were still there. @throws {NetlinkError} */
  async deleteAll(entries: readonly EntryKey[], signal?: AbortSignal): Promise<number> {
    let deleted = 0
    for (let first = 0; first < entries.length; first += DELETIONS_AT_ONCE) {
      if (signal?.aborted) break
      const batch = entries.slice(first, first + DELETIONS_AT_ONCE)
      for (const outcome of await this.#socket.requestAll(batch.map(deletionOf))) {
        if (outcome.status === 'fulfilled') deleted++
        else if (!isNotFound(outcome.reason)) throw outcome.reason
      }
    }
    return deleted
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }
}

const nfgenmsg = (family: IpFamily): Buffer => Buffer.of(addressFamily(family), 0, 0, 0)

const deletionOf = ({ family, attributes }: EntryKey) => ({
  operation: `delete IPv${family} conntrack entry`,
  type: CT_DELETE,
  payload: Buffer.concat([nfgenmsg(family), attributes]),
})

/** A list of UDP entries; kernels before 5.8 know no filter and give all of the family, of all protocols. */
export function encodeUdpQuery({ family, destination }: UdpQuery): Buffer {
  const { address, port } = destination ?? {}
  const tuple: Attribute[] = []
  const protocol = [u8Attribute(CtaProto.num, protocolNumbers.UDP)]
  let compared: number = Compare.protocol
  // Kernels (6.18 among them) take IPv6 addresses for different when they are equal: there the port alone is compared.
  if (address !== undefined && family === 4) {
    const value = Buffer.from(ipToBytes(address))
    tuple.push({ type: CtaTuple.ip, value: [{ type: CtaIp.v4Dst, value }] })
    compared |= Compare.destination
  }
  if (port !== undefined) {
    protocol.push({ type: CtaProto.dstPort, value: Buffer.of(port >> 8, port & 0xff) })
    compared |= Compare.destinationPort
  }
  tuple.push({ type: CtaTuple.proto, value: protocol })
  const filter = [
    u32Attribute(CtaFilter.origFlags, compared),
    u32Attribute(CtaFilter.replyFlags, 0),
  ]
  const attributes = [
    { type: Cta.tupleOrig, value: tuple },
    { type: Cta.filter, value: filter },
  ]
  return Buffer.concat([nfgenmsg(family), encodeAttributes(attributes)])
}

/** UDP entries of IPv4 whose first packet went to one place and whose answers come from another. */
export function encodeUdpPath({ destination, replySource }: UdpPath): Buffer {
  const original = halfTuple(destination, CtaIp.v4Dst, CtaProto.dstPort)
  const reply = halfTuple(replySource, CtaIp.v4Src, CtaProto.srcPort)
  const filter = [
    u32Attribute(
      CtaFilter.origFlags,
      Compare.destination | Compare.protocol | Compare.destinationPort,
    ),
    u32Attribute(CtaFilter.replyFlags, Compare.source | Compare.protocol | Compare.sourcePort),
  ]
  const attributes = [
    { type: Cta.tupleOrig, value: original },
    { type: Cta.tupleReply, value: reply },
    { type: Cta.filter, value: filter },
  ]
  return Buffer.concat([nfgenmsg(4), encodeAttributes(attributes)])
}

function halfTuple(
  { address, port }: HostPort,
  addressType: number,
  portType: number,
): readonly Attribute[] {
  const ip = [{ type: addressType, value: Buffer.from(ipToBytes(address)) }]
  const protocol = [
    u8Attribute(CtaProto.num, protocolNumbers.UDP),
    { type: portType, value: bigEndian(port) },
  ]
  return [
    { type: CtaTuple.ip, value: ip },
    { type: CtaTuple.proto, value: protocol },
  ]
}

function encodeTcpQuery(tuple: TcpTuple): Buffer {
  const { source, sourcePort, destination, destinationPort } = tuple
  const family = familyOf(destination)
  const [src, dst] = family === 4 ? [CtaIp.v4Src, CtaIp.v4Dst] : [CtaIp.v6Src, CtaIp.v6Dst]
  const addresses = [
    { type: src, value: ipToBytes(source) },
    { type: dst, value: ipToBytes(destination) },
  ]
  const ports = [
    u8Attribute(CtaProto.num, protocolNumbers.TCP),
    { type: CtaProto.srcPort, value: bigEndian(sourcePort) },
    { type: CtaProto.dstPort, value: bigEndian(destinationPort) },
  ]
  const original = [
    { type: CtaTuple.ip, value: addresses },
    { type: CtaTuple.proto, value: ports },
  ]
  const attributes = encodeAttributes([{ type: Cta.tupleOrig, value: original }])
  return Buffer.concat([nfgenmsg(family), attributes])
}

const bigEndian = (port: number): Buffer => Buffer.of(port >> 8, port & 0xff)

/** The flow of an entry, or undefined when it is not UDP. */
export function udpFlowOf(entry: AttributeMap): UdpFlow | undefined {
  const original = readNested(entry, Cta.tupleOrig)
  const protocol = readNested(original, CtaTuple.proto)
  if (readUint(protocol, CtaProto.num) !== protocolNumbers.UDP) return undefined
  const reply = readNested(entry, Cta.tupleReply)
  const destination = addressIn(original, CtaIp.v4Dst, CtaIp.v6Dst)
  const replySource = addressIn(reply, CtaIp.v4Src, CtaIp.v6Src)
  const destinationPort = protocol.get(CtaProto.dstPort)?.readUInt16BE()
  const replySourcePort = readNested(reply, CtaTuple.proto).get(CtaProto.srcPort)?.readUInt16BE()
  if (destination === undefined || replySource === undefined) return undefined
  if (destinationPort === undefined || replySourcePort === undefined) return undefined
  return { destination, destinationPort, replySource, replySourcePort }
}

function addressIn(tuple: AttributeMap, v4: number, v6: number): IpAddress | undefined {
  const ip = readNested(tuple, CtaTuple.ip)
  const bytes = ip.get(v4) ?? ip.get(v6)
  return bytes === undefined ? undefined : ipFromBytes(bytes)
}

/** As they were listed, so that nothing gets lost; copied, since the bytes are part of a long message. */
function encodeKey(entry: AttributeMap): Buffer {
  const attributes = []
  for (const type of [Cta.tupleOrig, Cta.zone, Cta.id]) {
    const value = entry.get(type)
    const isNested = type === Cta.tupleOrig
    if (value !== undefined) attributes.push({ type: isNested ? type | NLA_F_NESTED : type, value })
  }
  return encodeAttributes(attributes)
}
