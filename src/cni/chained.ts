import { findLink, type Link } from '#linux/netlink/link.ts'
import type { NetlinkSocket } from '#linux/netlink/socket.ts'
import { CniError, cniCodes } from './spec/error.ts'
import type { CniRequest } from './spec/plugin.ts'
import type { CniInterface, CniIp, CniResult } from './spec/result.ts'

/** The result of the plugins before this one. @throws {CniError} code 7: there is none, so this is the first. */
export function requirePrevResult({ config: { prevResult } }: CniRequest): CniResult {
  if (prevResult !== undefined) return prevResult
  throw new CniError(
    cniCodes.invalidConfig,
    'must be called as chained plugin: prevResult is missing',
  )
}

/** Is this the container's interface of this name? */
export const isContainerInterface = (
  link: CniInterface | undefined,
  ifname: string,
): link is CniInterface => link?.name === ifname && !!link.sandbox

/** The addresses of the container's interface; one without an index counts as its. */
export const addressesOf = (result: CniResult, ifname: string): readonly CniIp[] =>
  result.ips.filter(
    ({ interface: index }) =>
      index === undefined || isContainerInterface(result.interfaces[index], ifname),
  )

/** The interface that a plugin before this one made. @throws {CniError} code 4: the container has none of this name. */
export async function requireInterface(container: NetlinkSocket, ifname: string): Promise<Link> {
  const link = await findLink(container, ifname)
  if (link !== undefined) return link
  throw new CniError(
    cniCodes.invalidEnvironment,
    `CNI_IFNAME: the container has no interface ${ifname}`,
  )
}
