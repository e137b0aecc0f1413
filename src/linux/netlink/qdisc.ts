import {
  type Attribute,
  type AttributeMap,
  decodeAttributes,
  encodeAttributes,
  readNested,
  readText,
  textAttribute,
  u32Attribute,
} from './attribute.ts'
import { isNotFound } from './error.ts'
import { Flag } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

/** linux/rtnetlink.h */
const RTM_NEWQDISC = 36
const RTM_DELQDISC = 37
const RTM_GETQDISC = 38

/** TCA_… */
export const Tca = { kind: 1, options: 2 } as const
/** TCA_TBF_… (linux/pkt_sched.h) */
const Tbf = { parms: 1, rate64: 4, burst: 6 } as const

/** Where a queueing discipline stands on its link, and the handle ours have there (linux/pkt_sched.h). */
export const qdiscPlaces = {
  /** What the link sends. */
  root: { parent: 0xffffffff, handle: 0x00010000 },
  /** What it receives. */
  ingress: { parent: 0xfffffff1, handle: 0xffff0000 },
} as const
export type QdiscPlace = keyof typeof qdiscPlaces

/** TC_LINKLAYER_ETHERNET: the kernel calculates by the rate itself, without a table of ours. */
const LINKLAYER_ETHERNET = 1
const MAX_U32 = 0xffffffff
/** A tick of the kernel's packet scheduler, in nanoseconds (PSCHED_SHIFT). */
const TICK_NS = 64

/** Bytes of struct tcmsg, tc_ratespec, tc_tbf_qopt. */
export const TCMSG_BYTES = 20
const RATESPEC_BYTES = 12
const TBF_QOPT_BYTES = 2 * RATESPEC_BYTES + 12

/** A token bucket filter (tc-tbf(8)). */
export type TokenBucket = {
  /** Bytes per second. */
  readonly rate: number
  /** Bytes that may pass at once. */
  readonly burst: number
  /** Bytes that may wait; what comes then is dropped. */
  readonly limit: number
}

/** A queueing discipline as the kernel describes it. */
export type Qdisc = {
  readonly linkIndex: number
  readonly kind: string
  readonly place: QdiscPlace | undefined
  /** Of a token bucket filter; the burst in ticks of the time it takes to fill, of which the kernel tells 32 bits. */
  readonly bucket?: Omit<TokenBucket, 'burst'> & { readonly burstTicks: number }
}

/** The ticks, of 64 ns, in which a bucket fills; not cut to 32 bits. */
export const burstTicks = ({ rate, burst }: TokenBucket): number =>
  Math.floor((burst * 1e9) / rate / TICK_NS)

/** struct tcmsg (linux/rtnetlink.h), then attributes. */
export function tcMessage(
  header: { linkIndex?: number; handle?: number; parent?: number; info?: number },
  attributes: readonly Attribute[],
): Buffer {
  const bytes = Buffer.alloc(TCMSG_BYTES)
  bytes.writeInt32LE(header.linkIndex ?? 0, 4)
  bytes.writeUInt32LE(header.handle ?? 0, 8)
  bytes.writeUInt32LE(header.parent ?? 0, 12)
  bytes.writeUInt32LE(header.info ?? 0, 16)
  return Buffer.concat([bytes, encodeAttributes(attributes)])
}

/** The payload that sets a token bucket filter at the root of a link. */
export function encodeTokenBucket(linkIndex: number, bucket: TokenBucket): Buffer {
  const { rate, burst, limit } = bucket
  const parms = Buffer.alloc(TBF_QOPT_BYTES)
  parms[1] = LINKLAYER_ETHERNET
  parms.writeUInt32LE(Math.min(rate, MAX_U32), 8)
  parms.writeUInt32LE(Math.min(limit, MAX_U32), 2 * RATESPEC_BYTES)
  parms.writeUInt32LE(Math.min(burstTicks(bucket), MAX_U32), 2 * RATESPEC_BYTES + 4)
  const rate64 = Buffer.alloc(8)
  rate64.writeBigUInt64LE(BigInt(rate))
  return tcMessage({ linkIndex, ...qdiscPlaces.root }, [
    textAttribute(Tca.kind, 'tbf'),
    {
      type: Tca.options,
      value: [
        { type: Tbf.parms, value: parms },
        // In bytes: 32 bits of ticks are 275 s, which a slow link's burst can take longer than.
        u32Attribute(Tbf.burst, Math.min(burst, MAX_U32)),
        ...(rate > MAX_U32 ? [{ type: Tbf.rate64, value: rate64 }] : []),
      ],
    },
  ])
}

/** The payload that lets what a link receives be filtered. */
export const encodeIngress = (linkIndex: number): Buffer =>
  tcMessage({ linkIndex, ...qdiscPlaces.ingress }, [textAttribute(Tca.kind, 'ingress')])

/** The queueing discipline that an RTM_NEWQDISC message describes. */
export function decodeQdisc(payload: Buffer): Qdisc {
  const attributes = decodeAttributes(payload.subarray(TCMSG_BYTES))
  const parent = payload.readUInt32LE(12)
  const places = Object.keys(qdiscPlaces) as QdiscPlace[]
  const kind = readText(attributes, Tca.kind) ?? ''
  const bucket = kind === 'tbf' ? decodeBucket(readNested(attributes, Tca.options)) : undefined
  return {
    linkIndex: payload.readInt32LE(4),
    kind,
    place: places.find(place => qdiscPlaces[place].parent === parent),
    ...(bucket === undefined ? {} : { bucket }),
  }
}

function decodeBucket(options: AttributeMap): Qdisc['bucket'] {
  const parms = options.get(Tbf.parms)
  if (parms === undefined || parms.length < TBF_QOPT_BYTES) return undefined
  const rate64 = options.get(Tbf.rate64)?.readBigUInt64LE()
  return {
    rate: rate64 === undefined ? parms.readUInt32LE(8) : Number(rate64),
    limit: parms.readUInt32LE(2 * RATESPEC_BYTES),
    burstTicks: parms.readUInt32LE(2 * RATESPEC_BYTES + 4),
  }
}

/** Lets a link send no faster; a token bucket filter that it has is changed. @throws {NetlinkError} */
export async function setTokenBucket(
  socket: NetlinkSocket,
  linkIndex: number,
  bucket: TokenBucket,
): Promise<void> {
  await socket.request({
    operation: `set a token bucket of ${bucket.rate} bytes/s on link ${linkIndex}`,
    type: RTM_NEWQDISC,
    flags: Flag.create | Flag.replace,
    payload: encodeTokenBucket(linkIndex, bucket),
  })
}

/** Lets what a link receives be filtered. @throws {NetlinkError} EEXIST: it is already. */
export async function addIngress(socket: NetlinkSocket, linkIndex: number): Promise<void> {
  await socket.request({
    operation: `add an ingress qdisc to link ${linkIndex}`,
    type: RTM_NEWQDISC,
    flags: Flag.create | Flag.exclusive,
    payload: encodeIngress(linkIndex),
  })
}

/** Removes what stands at a place of a link, with its filters; false when nothing does. @throws {NetlinkError} */
export async function removeQdisc(
  socket: NetlinkSocket,
  linkIndex: number,
  place: QdiscPlace,
): Promise<boolean> {
  try {
    const { parent } = qdiscPlaces[place]
    await socket.request({
      operation: `remove the ${place} qdisc of link ${linkIndex}`,
      type: RTM_DELQDISC,
      payload: tcMessage({ linkIndex, parent }, []),
      isSlow: true,
    })
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}

/** The queueing disciplines of a link. @throws {NetlinkError} */
export async function listQdiscs(
  socket: NetlinkSocket,
  linkIndex: number,
): Promise<readonly Qdisc[]> {
  const messages = await socket.dump({
    operation: 'list qdiscs',
    type: RTM_GETQDISC,
    payload: tcMessage({ linkIndex }, []),
  })
  // The kernel lists those of all links, whatever is asked.
  return messages
    .map(({ payload }) => decodeQdisc(payload))
    .filter(qdisc => qdisc.linkIndex === linkIndex)
}
