import { type IpAddress, ipFromNumber, ipToNumber } from '#net/ip.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import { formatRangeSet, type Range, type RangeSet, rangeContains } from './range.ts'

/** Who has an address. `ifname` is undefined in files of very old plugins: then it stands for every interface. */
export type Holder = { readonly containerId: string; readonly ifname?: string | undefined }

/** What a store holds. */
export type Reservations = {
  readonly holders: ReadonlyMap<IpAddress, Holder>
  /** By index of the set: the address reserved last, whether or not it still is. */
  readonly lastReserved: readonly (IpAddress | undefined)[]
}

/** One address from one set. */
export type Allocation = { readonly ip: IpAddress; readonly range: Range }

/**
 * One address per set for a holder, in the order of the sets. A set takes the requested address that lies in it;
 * without one it goes round robin, so that an address given back rests as long as possible.
 * @param requested without duplicates.
 * @throws {CniError} code 7: duplicate, or a request no set can serve; 11: taken or exhausted.
 */
export function allocate(
  sets: readonly RangeSet[],
  reservations: Reservations,
  holder: Holder,
  requested: readonly IpAddress[] = [],
): readonly Allocation[] {
  const left = new Set(requested)
  const allocations = sets.map((set, index) => {
    const wish = [...left].find(ip => set.some(range => rangeContains(range, ip)))
    if (wish === undefined) return allocateNext(set, reservations, holder, index)
    left.delete(wish)
    return allocateRequested(set, reservations, wish)
  })
  if (left.size > 0) {
    throw new CniError(
      cniCodes.invalidConfig,
      `failed to allocate all requested IPs: ${[...left].join(', ')} in no range`,
    )
  }
  return allocations
}

/** Addresses whose holder is this attachment; id-only files count when there is nothing better. */
export function heldBy({ holders }: Reservations, wanted: Required<Holder>): readonly IpAddress[] {
  const ofContainer = [...holders].filter(
    ([, { containerId }]) => containerId === wanted.containerId,
  )
  const exact = ofContainer.filter(([, { ifname }]) => ifname === wanted.ifname)
  const found =
    exact.length > 0 ? exact : ofContainer.filter(([, { ifname }]) => ifname === undefined)
  return found.map(([ip]) => ip)
}

/** Has the set an address left? */
export const hasFree = (set: RangeSet, reservations: Reservations): boolean =>
  nextFree(set, reservations, undefined) !== undefined

function allocateRequested(set: RangeSet, { holders }: Reservations, ip: IpAddress): Allocation {
  const range = set.find(candidate => rangeContains(candidate, ip)) as Range
  if (set.some(({ gateway }) => gateway === ip)) {
    throw new CniError(cniCodes.invalidConfig, `requested ip ${ip} is subnet's gateway`)
  }
  if (holders.has(ip)) {
    throw new CniError(
      cniCodes.tryAgainLater,
      `requested IP address ${ip} is not available in range set ${formatRangeSet(set)}`,
    )
  }
  return { ip, range }
}

function allocateNext(
  set: RangeSet,
  reservations: Reservations,
  holder: Holder,
  index: number,
): Allocation {
  const { containerId, ifname } = holder
  const own = heldBy(reservations, { containerId, ifname }).find(ip =>
    set.some(range => rangeContains(range, ip)),
  )
  if (own !== undefined) {
    throw new CniError(
      cniCodes.invalidConfig,
      `${own} has been allocated to ${containerId}, duplicate allocation is not allowed`,
    )
  }
  const next = nextFree(set, reservations, reservations.lastReserved[index])
  if (next !== undefined) return next
  throw new CniError(
    cniCodes.tryAgainLater,
    `no IP addresses available in range set: ${formatRangeSet(set)}`,
  )
}

/** The first free address after `last` in one turn through the set; from the beginning when `last` is not in it. */
function nextFree(
  set: RangeSet,
  { holders }: Reservations,
  last: IpAddress | undefined,
): Allocation | undefined {
  const gateways = new Set(set.map(({ gateway }) => gateway))
  for (const { range, from, to } of turn(set, last)) {
    for (let number = from; number <= to; number++) {
      const ip = ipFromNumber(range.family, number)
      if (!gateways.has(ip) && !holders.has(ip)) return { ip, range }
    }
  }
  return undefined
}

type Stretch = { readonly range: Range; readonly from: bigint; readonly to: bigint }

/** The set in the order in which it is tried: from after `last` round to `last` itself. */
function turn(set: RangeSet, last: IpAddress | undefined): readonly Stretch[] {
  const whole = (range: Range): Stretch => ({ range, from: range.start, to: range.end })
  const at = last === undefined ? -1 : set.findIndex(range => rangeContains(range, last))
  const range = set[at]
  if (last === undefined || range === undefined) return set.map(whole)
  const number = ipToNumber(last)
  return [
    { range, from: number + 1n, to: range.end },
    ...set.slice(at + 1).map(whole),
    ...set.slice(0, at).map(whole),
    { range, from: range.start, to: number },
  ]
}
