import type { IpFamily } from '#net/ip.ts'
import { addressFamily } from './netlink/address.ts'
import { decodeAttributes, encodeAttributes, readText, textAttribute } from './netlink/attribute.ts'
import type { Message } from './netlink/message.ts'
import { NETLINK_NETFILTER } from './netlink/raw-socket.ts'
import { NetlinkSocket } from './netlink/socket.ts'
import {
  type Bound,
  boundedText,
  decodeBounds,
  decodeElements,
  decodeSet,
  ListAttribute,
  NFGENMSG_BYTES,
  type NftCounter,
  type NftElement,
  type NftSet,
  SetAttribute,
} from './nft-elements.ts'
import { type NftTable, summarizeChains } from './nft-listing.ts'
import { rangesBetween } from './nft-ranges.ts'
import { listNftTableNames } from './nft-tables.ts'

/** NFNL_SUBSYS_NFTABLES in the high byte, NFT_MSG_GET… in the low one (linux/netfilter/nf_tables.h). */
const Get = {
  chain: (10 << 8) | 4,
  rule: (10 << 8) | 7,
  set: (10 << 8) | 10,
  element: (10 << 8) | 13,
} as const
/** NFTA_CHAIN_… and NFTA_RULE_… */
const ChainAttribute = { table: 1, handle: 2, name: 3 } as const
const RuleAttribute = { table: 1, chain: 2, handle: 3 } as const

type Place = { readonly family: IpFamily; readonly name: string }

/**
 * Reads one table by netlink, part by part, so that the event loop goes on; undefined when it is not there. A restart over
 * 10,000 Services takes half as long as with an `nft` child and its JSON. Only keys and values of types that {@link decodeSet} knows are
 * read, and of maps that packets fill no more than one element.
 *
 * It may lack what changes while it is read. Transactions on other tables do no harm.
 * @throws {NetlinkError} the kernel refused, or the table went away.
 */
export async function readNftTable(
  place: Place,
  signal: AbortSignal,
): Promise<NftTable | undefined> {
  if (!(await listNftTableNames(place.family)).includes(place.name)) return undefined
  using reader = new Reader(place)
  const chains = await reader.chains()
  const elements = new Map<string, ReadonlyMap<string, string>>()
  for (const set of await reader.sets()) {
    signal.throwIfAborted()
    const own = new Map<string, string>()
    await reader.visit(set, ({ key, value }) => {
      if (!set.isDynamic || own.size === 0) own.set(key, value)
    })
    elements.set(set.name, own)
  }
  return { chains, elements }
}

/**
 * The elements of one map or set of a table, as {@link NftTable.elements} has them; empty when it is not there.
 * @throws {NetlinkError} there is no such table.
 */
export async function readNftMap(
  place: Place,
  name: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const elements = new Map<string, string>()
  await visitMap(place, name, signal, ({ key, value }) => elements.set(key, value))
  return elements
}

/**
 * The counters of the elements of a map or set, by their keys; empty when it is not there.
 * @throws {NetlinkError} there is no such table.
 */
export async function readNftCounters(
  place: Place,
  { name }: { readonly name: string },
  signal: AbortSignal,
): Promise<ReadonlyMap<string, NftCounter>> {
  const counters = new Map<string, NftCounter>()
  await visitMap(place, name, signal, ({ key, counter }) => {
    if (counter !== undefined) counters.set(key, counter)
  })
  return counters
}

async function visitMap(
  place: Place,
  name: string,
  signal: AbortSignal,
  visit: (element: NftElement) => void,
): Promise<void> {
  signal.throwIfAborted()
  using reader = new Reader(place)
  const set = (await reader.sets()).find(set => set.name === name)
  if (set !== undefined) await reader.visit(set, visit)
}

/** A 64 bit number in network byte order, far below 2 to the 53rd. */
const readHandle = (value: Buffer | undefined): number =>
  value === undefined ? 0 : Number(value.readBigUInt64BE())

/** Asks for the parts of one table; in the calling thread's network namespace. */
class Reader implements Disposable {
  readonly #place: Place
  readonly #socket = NetlinkSocket.open(undefined, NETLINK_NETFILTER)

  constructor(place: Place) {
    this.#place = place
  }

  async chains(): Promise<NftTable['chains']> {
    const chains = new Map<string, number>()
    // Chains cannot be asked for by table.
    await this.#list({ type: Get.chain, what: 'chains' }, payload => {
      const attributes = decodeAttributes(payload.subarray(NFGENMSG_BYTES))
      if (readText(attributes, ChainAttribute.table) !== this.#place.name) return
      const name = readText(attributes, ChainAttribute.name) ?? ''
      chains.set(name, readHandle(attributes.get(ChainAttribute.handle)))
    })
    const rules: { chain: string; handle: number }[] = []
    const table = textAttribute(RuleAttribute.table, this.#place.name)
    await this.#list({ type: Get.rule, what: 'rules', attributes: [table] }, payload => {
      const attributes = decodeAttributes(payload.subarray(NFGENMSG_BYTES))
      const chain = readText(attributes, RuleAttribute.chain) ?? ''
      rules.push({ chain, handle: readHandle(attributes.get(RuleAttribute.handle)) })
    })
    return summarizeChains(chains, rules)
  }

  async sets(): Promise<readonly NftSet[]> {
    const sets: NftSet[] = []
    const table = textAttribute(SetAttribute.table, this.#place.name)
    await this.#list({ type: Get.set, what: 'sets', attributes: [table] }, payload => {
      const set = decodeSet(payload)
      if (set !== undefined) sets.push(set)
    })
    return sets
  }

  async visit(set: NftSet, visit: (element: NftElement) => void): Promise<void> {
    const attributes = [
      textAttribute(ListAttribute.table, this.#place.name),
      textAttribute(ListAttribute.set, set.name),
    ]
    const bounds: Bound[] = []
    await this.#list({ type: Get.element, what: set.name, attributes }, payload => {
      if (set.isSplit) bounds.push(...decodeBounds(payload, set))
      else for (const element of decodeElements(payload, set)) visit(element)
    })
    const highest = (1n << BigInt((set.key[0]?.bytes ?? 0) * 8)) - 1n
    for (const range of rangesBetween(bounds, highest)) {
      visit({ key: boundedText(range, set), value: '', counter: undefined })
    }
  }

  async #list(
    request: {
      readonly type: number
      readonly what: string
      readonly attributes?: Parameters<typeof encodeAttributes>[0]
    },
    visit: (payload: Buffer) => void,
  ): Promise<void> {
    const { family, name } = this.#place
    const { type, what, attributes = [] } = request
    const payload = Buffer.concat([
      Buffer.of(addressFamily(family), 0, 0, 0),
      encodeAttributes(attributes),
    ])
    const operation = `list ${what} of IPv${family} table ${name}`
    await this.#socket.visit({ operation, type, payload }, (part: Message) => visit(part.payload))
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }
}
