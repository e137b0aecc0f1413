import type { IpFamily } from '#net/ip.ts'
import { exec } from './exec.ts'
import { addressFamily } from './netlink/address.ts'
import { decodeAttributes, readText } from './netlink/attribute.ts'
import { isInvalid } from './netlink/error.ts'
import { NETLINK_NETFILTER } from './netlink/raw-socket.ts'
import { NetlinkSocket } from './netlink/socket.ts'

/** NFNL_SUBSYS_NFTABLES in the high byte, NFT_MSG_GETTABLE in the low one (linux/netfilter/nf_tables.h). */
const GETTABLE = (10 << 8) | 1
/** Bytes of struct nfgenmsg: family u8, version u8 (0), resource id u16 (0). */
const NFGENMSG_BYTES = 4
/** NFTA_TABLE_NAME. */
const TABLE_NAME = 1

/** NFPROTO_… as nft names them (linux/netfilter.h). */
const FAMILIES: ReadonlyMap<number, string> = new Map([
  [1, 'inet'],
  [2, 'ip'],
  [3, 'arp'],
  [5, 'netdev'],
  [7, 'bridge'],
  [10, 'ip6'],
])
const NFPROTO_UNSPEC = 0

/**
 * The names of a family's tables (`ip` or `ip6`), without what is in them. `nft list tables` would read everything that is
 * in them: 0.7 s with 10,000 Services.
 * @throws {NetlinkError} the kernel refused; {@link SystemCallError} no socket could be opened.
 */
export async function listNftTableNames(family: IpFamily): Promise<readonly string[]> {
  return (await dumpTables(addressFamily(family))).map(({ name }) => name)
}

/**
 * All tables of all families, as nft names them: `ip nodeplane`, `bridge nodeplane_cni`.
 * @throws {NetlinkError} the kernel refused; {@link SystemCallError} no socket could be opened.
 */
export async function listNftTables(): Promise<readonly string[]> {
  return (await dumpTables(NFPROTO_UNSPEC)).map(({ family, name }) => `${family} ${name}`)
}

async function dumpTables(
  protocol: number,
): Promise<readonly { readonly family: string; readonly name: string }[]> {
  using socket = NetlinkSocket.open(undefined, NETLINK_NETFILTER)
  try {
    const tables = await socket.dump({
      operation: 'list nftables tables',
      type: GETTABLE,
      payload: Buffer.of(protocol, 0, 0, 0),
    })
    return tables.flatMap(({ payload }) => {
      const name = readText(decodeAttributes(payload.subarray(NFGENMSG_BYTES)), TABLE_NAME)
      const family = FAMILIES.get(payload[0] ?? NFPROTO_UNSPEC)
      return name === undefined || family === undefined ? [] : { family, name }
    })
  } catch (error) {
    // What nfnetlink says for a part of it that the kernel was built without.
    if (isInvalid(error)) return []
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
