import { createHash } from 'node:crypto'
import { type Attachment, attachmentHash, networkHash } from '../attachment.ts'
import type { Limit } from './config.ts'

/** How long a packet may wait for its turn, in seconds. */
const LATENCY_SECONDS = 0.025
/** What the kernel keeps a limit in. */
const MAX_LIMIT_BYTES = 0xffffffff

/** The token bucket of a limit: what waits is what the rate lets pass in 25 ms, and a burst. */
export const bucketOf = ({ rate, burst }: Limit): Limit & { readonly limit: number } => ({
  rate,
  burst,
  limit: Math.min(Math.floor(rate * LATENCY_SECONDS) + burst, MAX_LIMIT_BYTES),
})

/** What the kernel tells of a bucket. */
type KernelBucket = {
  readonly rate: number
  readonly limit: number
  /** 32 bits of the ticks in which the burst fills. */
  readonly burstTicks: number
}

/**
 * How a bucket of the kernel differs from the wish; empty when it does not.
 * @param ticks those of the wish, not cut to 32 bits.
 */
export function bucketDifferences(
  wish: Limit & { readonly limit: number; readonly ticks: number },
  found: KernelBucket | undefined,
): readonly string[] {
  if (found === undefined) return ['there is no token bucket']
  const differences: string[] = []
  for (const key of ['rate', 'limit'] as const) {
    if (found[key] !== wish[key]) differences.push(`${key} is ${found[key]}, not ${wish[key]}`)
  }
  if (!isSameBurst(wish.ticks, found.burstTicks)) {
    differences.push(`burst is ${found.burstTicks} ticks, not ${wish.ticks}`)
  }
  return differences
}

/** The kernel divides by multiplying, so it is off by a millionth at most, and it tells only the lowest 32 bits. */
function isSameBurst(wanted: number, found: number): boolean {
  const apart = Math.abs((wanted % 2 ** 32) - found)
  return Math.min(apart, 2 ** 32 - apart) <= 2 + wanted / 1e6
}

/** The name of the attachment's ifb: found again without anything but its identity. */
export const ifbName = (attachment: Attachment): string =>
  `bwp${attachmentHash(attachment).slice(0, 12)}`

/** The reference's name, which all interfaces of a container in a network share. */
export const referenceIfbName = ({ network, containerId }: Attachment): string =>
  `bwp${createHash('sha512').update(`${network}${containerId}`).digest('hex').slice(0, 12)}`

/** The ifb's alias, for people. GC goes by its beginning and by the name. */
export const ifbAlias = (attachment: Attachment): string =>
  `${ifbMark(attachment.network)} ${attachment.network} ${attachment.containerId} ${attachment.ifname}`.slice(
    0,
    MAX_ALIAS_LENGTH,
  )

/** How the aliases of all ifbs of a network begin. Not like those of veths: each plugin's GC removes what is its own. */
export const ifbMark = (network: string): string => `nodeplane-bandwidth:${networkHash(network)}`

/** Characters; a link's alias may have 255 bytes (IFALIASZ − 1, linux/if.h), and only the interface's 15 bytes are not ASCII. */
const MAX_ALIAS_LENGTH = 240
