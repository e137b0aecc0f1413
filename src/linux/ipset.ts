import {
  decodeListing,
  decodeRevision,
  encodeCreate,
  encodeMembers,
  encodeName,
  encodeTypeQuery,
  type Ipset,
  IpsetCommand,
  type IpsetEntry,
} from './ipset-message.ts'
import { isInvalid, isNotFound, NetlinkError } from './netlink/error.ts'
import { Flag } from './netlink/message.ts'
import { NETLINK_NETFILTER } from './netlink/raw-socket.ts'
import { NetlinkSocket } from './netlink/socket.ts'

export { entryText, type Ipset, type IpsetEntry, type IpsetType } from './ipset-message.ts'

/** Members in one message. */
const MEMBERS_PER_REQUEST = 500

/** The ipsets of a network namespace, by netlink. */
export class Ipsets implements Disposable {
  readonly #socket: NetlinkSocket

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  /** Those of the calling thread's namespace. @throws {SystemCallError} */
  static open(): Ipsets {
    return new Ipsets(NetlinkSocket.open(undefined, NETLINK_NETFILTER))
  }

  /**
   * The members of a set, or undefined when there is no such set.
   * @throws {NetlinkError}; {RangeError} a set of this name has another type.
   */
  async list({ name, type }: Ipset): Promise<readonly IpsetEntry[] | undefined> {
    try {
      const messages = await this.#socket.dump({
        operation: `list ipset ${name}`,
        type: IpsetCommand.list,
        payload: encodeName({ name }),
      })
      const listings = messages.map(({ payload }) => decodeListing(payload))
      const other = listings.find(listing => listing.type !== undefined && listing.type !== type)
      if (other !== undefined) throw new RangeError(`ipset ${name}: ${other.type}, not ${type}`)
      return listings.flatMap(({ entries }) => entries)
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /** Makes a set. Asking for its type loads the kernel's module. @throws {NetlinkError} EEXIST, or no such type. */
  async create(set: Ipset): Promise<void> {
    const [answer] = await this.#request(
      `find ipset type ${set.type}`,
      IpsetCommand.type,
      encodeTypeQuery(set),
    )
    const revision = answer === undefined ? 0 : decodeRevision(answer.payload)
    const flags = Flag.create | Flag.exclusive
    const operation = `create ipset ${set.name} ${set.type}`
    await this.#request(operation, IpsetCommand.create, encodeCreate(set, revision), flags)
  }

  /** Removes a set; false when there is none. @throws {NetlinkError} a rule still refers to it. */
  async destroy(set: Pick<Ipset, 'name'>): Promise<boolean> {
    try {
      await this.#request(`destroy ipset ${set.name}`, IpsetCommand.destroy, encodeName(set))
      return true
    } catch (error) {
      if (isNotFound(error) || isInvalid(error)) return false
      throw error
    }
  }

  /** Those that are in the set already stay. @throws {NetlinkError} the set is full ({@link isSetFull}), or not there. */
  async add(set: Pick<Ipset, 'name'>, entries: readonly IpsetEntry[]): Promise<void> {
    await this.#change(`add to ipset ${set.name}`, IpsetCommand.add, set, entries)
  }

  /** Those that are not in the set are no error. @throws {NetlinkError} the set is not there. */
  async remove(set: Pick<Ipset, 'name'>, entries: readonly IpsetEntry[]): Promise<void> {
    await this.#change(`remove from ipset ${set.name}`, IpsetCommand.del, set, entries)
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }

  async #change(
    operation: string,
    command: number,
    set: Pick<Ipset, 'name'>,
    entries: readonly IpsetEntry[],
  ): Promise<void> {
    for (let start = 0; start < entries.length; start += MEMBERS_PER_REQUEST) {
      const some = entries.slice(start, start + MEMBERS_PER_REQUEST)
      await this.#request(operation, command, encodeMembers(set, some))
    }
  }

  async #request(operation: string, type: number, payload: Buffer, flags = 0) {
    try {
      return await this.#socket.request({ operation, type, payload, flags })
    } catch (error) {
      throw error instanceof NetlinkError ? explained(error) : error
    }
  }
}

/** IPSET_ERR_HASH_FULL */
const SET_FULL = 4352

/** Has a set as many members as it takes? */
export const isSetFull = (error: unknown): boolean =>
  error instanceof NetlinkError && error.errno === SET_FULL

/** IPSET_ERR_…: numbers above those of errno (linux/netfilter/ipset/ip_set.h, ip_set_hash.h). */
const reasons: Readonly<Record<number, string>> = {
  4097: 'the kernel does not understand the request',
  4098: 'the kernel has no such set type',
  4099: 'there are too many sets',
  4100: 'the set is in use by a rule',
  [SET_FULL]: 'the set is full',
}

function explained(error: NetlinkError): NetlinkError {
  const reason = reasons[error.errno]
  return reason === undefined ? error : new NetlinkError(error.operation, error.errno, reason)
}
