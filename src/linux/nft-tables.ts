import type { IpFamily } from '#net/ip.ts'

import { exec, isProgramMissing } from './exec.ts'
import { addressFamily } from './netlink/address.ts'
import { decodeAttributes, readText } from './netlink/attribute.ts'
import { NetlinkError } from './netlink/error.ts'
import type { Message } from './netlink/message.ts'
import { NetlinkSocket } from './netlink/socket.ts'

const NETLINK_NETFILTER = 12
/** NFNL_SUBSYS_NFTABLES in the high byte, NFT_MSG_GETTABLE in the low one (linux/netfilter/nf_tables.h). */
const GETTABLE = (10 << 8) | 1
/** Bytes of struct nfgenmsg: family u8, version u8 (0), resource id u16 (0). */
const NFGENMSG_BYTES = 4
const EINVAL = 22
/** NFTA_TABLE_NAME. */
const TABLE_NAME = 1

/**
 * The names of a family's tables (`ip` or `ip6`), without what is in them. `nft list tables` would read everything that is
 * in them: 0.7 s with 10,000 Services.
 * @throws {NetlinkError} the kernel refused; {@link SystemCallError} no socket could be opened.
 */
export async function listNftTableNames(family: IpFamily): Promise<readonly string[]> {
  const tables = await dumpTables(family)
  return tables.flatMap(({ payload }) => {
    const attributes = decodeAttributes(payload.subarray(NFGENMSG_BYTES))
    return readText(attributes, TABLE_NAME) ?? []
  })
}

async function dumpTables(family: IpFamily): Promise<readonly Message[]> {
  using socket = NetlinkSocket.open(undefined, NETLINK_NETFILTER)
  try {
    return await socket.dump({
      operation: `list IPv${family} nftables tables`,
      type: GETTABLE,
      payload: Buffer.of(addressFamily(family), 0, 0, 0),
    })
  } catch (error) {
    // What nfnetlink says for a part of it that the kernel was built without.
    if (error instanceof NetlinkError && error.errno === EINVAL) return []
    throw error
  }
}

/**
 * All tables of all families, as nft names them: `ip nodeplane`, `bridge nodeplane_cni`. None where there is no nft.
 * @throws {ExecError} nft failed.
 */
export async function listNftTables(signal: AbortSignal): Promise<readonly string[]> {
  try {
    const { stdout } = await exec('nft', ['list', 'tables'], { signal })
    return stdout.split('\n').flatMap(line => /^table (.*)$/.exec(line)?.[1] ?? [])
  } catch (error) {
    if (isProgramMissing(error)) return []
    throw error
  }
}

/** Removes tables (`ip nodeplane`) in one transaction. @throws {ExecError} one is not there, or has another owner. */
export async function removeNftTables(
  tables: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (tables.length === 0) return
  const input = tables.map(table => `delete table ${table}\n`).join('')
  await exec('nft', ['-f', '-'], { input, signal })
}
