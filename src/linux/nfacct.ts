import { decodeAttributes, encodeAttributes, readText, textAttribute } from './netlink/attribute.ts'
import { isBusy, isExists, isNotFound } from './netlink/error.ts'
import { Flag } from './netlink/message.ts'
import { NETLINK_NETFILTER } from './netlink/raw-socket.ts'
import { NetlinkSocket } from './netlink/socket.ts'

/** NFNL_SUBSYS_ACCT in the high byte, NFNL_MSG_ACCT_… in the low one (linux/netfilter/nfnetlink_acct.h). */
const ACCT_NEW = 7 << 8
const ACCT_GET = (7 << 8) | 1
const ACCT_DEL = (7 << 8) | 3
/** NFACCT_…; counts are in network order. */
const Nfacct = { name: 1, packets: 2 } as const
/** Bytes of struct nfgenmsg: family u8, version u8, resource id u16; all 0. */
const NFGENMSG_BYTES = 4

/** The named counters of a network namespace, which rules of iptables can count into. */
export class NfacctCounters implements Disposable {
  readonly #socket: NetlinkSocket

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  /** Those of the calling thread's namespace. @throws {SystemCallError} */
  static open(): NfacctCounters {
    return new NfacctCounters(NetlinkSocket.open(undefined, NETLINK_NETFILTER))
  }

  /** Makes a counter; one that is there counts on. @throws {NetlinkError} the kernel has no such counters. */
  async ensure(name: string): Promise<void> {
    try {
      await this.#socket.request({
        operation: `add counter ${name}`,
        type: ACCT_NEW,
        flags: Flag.create | Flag.exclusive,
        payload: encodeName(name),
      })
    } catch (error) {
      if (!isExists(error)) throw error
    }
  }

  /** How many packets a counter has seen; undefined when there is none. @throws {NetlinkError} */
  async packets(name: string): Promise<number | undefined> {
    try {
      const answers = await this.#socket.request({
        operation: `read counter ${name}`,
        type: ACCT_GET,
        payload: encodeName(name),
      })
      for (const { payload } of answers) {
        const attributes = decodeAttributes(payload.subarray(NFGENMSG_BYTES))
        const packets = attributes.get(Nfacct.packets)
        if (readText(attributes, Nfacct.name) === name && packets !== undefined) {
          return Number(packets.readBigUInt64BE())
        }
      }
      return undefined
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /** Removes a counter unless a rule counts into it; one that is not there is none to remove. @throws {NetlinkError} */
  async remove(name: string): Promise<void> {
    try {
      await this.#socket.request({
        operation: `delete counter ${name}`,
        type: ACCT_DEL,
        payload: encodeName(name),
      })
    } catch (error) {
      if (!isNotFound(error) && !isBusy(error)) throw error
    }
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }
}

const encodeName = (name: string): Buffer =>
  Buffer.concat([
    Buffer.alloc(NFGENMSG_BYTES),
    encodeAttributes([textAttribute(Nfacct.name, name)]),
  ])
