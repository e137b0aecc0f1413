import { isNotFound } from './error.ts'
import {
  type BridgeSettings,
  decodeLink,
  encodeBridge,
  encodeDummy,
  encodeLinkChange,
  encodeLinkQuery,
  encodeVeth,
  type Link,
  type LinkChange,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
  type VethSettings,
} from './link-message.ts'
import { Flag } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

export type { BridgePort, BridgeSettings, Link, LinkChange, VethSettings } from './link-message.ts'

/** By index, or by name. */
export type LinkKey = number | string

const queryOf = (key: LinkKey) => (typeof key === 'number' ? { index: key } : { name: key })

/** All links of the namespace. @throws {NetlinkError} */
export async function listLinks(socket: NetlinkSocket): Promise<readonly Link[]> {
  const messages = await socket.dump({
    operation: 'list links',
    type: RTM_GETLINK,
    payload: encodeLinkQuery(),
  })
  return messages.map(({ payload }) => decodeLink(payload))
}

/** The link with this index or name, or undefined. @throws {NetlinkError} */
export async function findLink(socket: NetlinkSocket, key: LinkKey): Promise<Link | undefined> {
  try {
    const [message] = await socket.request({
      operation: `get link ${key}`,
      type: RTM_GETLINK,
      payload: encodeLinkQuery(queryOf(key)),
    })
    return message === undefined ? undefined : decodeLink(message.payload)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/** Creates a bridge, down. @throws {NetlinkError} EEXIST: a link has this name. */
export async function createBridge(socket: NetlinkSocket, bridge: BridgeSettings): Promise<void> {
  await socket.request({
    operation: `create bridge ${bridge.name}`,
    type: RTM_NEWLINK,
    flags: Flag.create | Flag.exclusive,
    payload: encodeBridge(bridge),
  })
}

/** Creates a dummy link, down: a place for addresses. @throws {NetlinkError} EEXIST: a link has this name. */
export async function createDummy(socket: NetlinkSocket, name: string): Promise<void> {
  await socket.request({
    operation: `create dummy link ${name}`,
    type: RTM_NEWLINK,
    flags: Flag.create | Flag.exclusive,
    payload: encodeDummy(name),
  })
}

/**
 * Creates a veth pair, its far end directly in its namespace and its near end as a port of its bridge: no
 * half-made state is ever visible. @throws {NetlinkError} EEXIST: a link has the name of one of the ends.
 */
export async function createVeth(socket: NetlinkSocket, veth: VethSettings): Promise<void> {
  await socket.request({
    operation: `create veth ${veth.name} with peer ${veth.peer.name}`,
    type: RTM_NEWLINK,
    flags: Flag.create | Flag.exclusive,
    payload: encodeVeth(veth),
  })
}

/** Changes a link; all changes of one call go in one message. @throws {NetlinkError} */
export async function changeLink(
  socket: NetlinkSocket,
  index: number,
  change: LinkChange,
): Promise<void> {
  await socket.request({
    operation: `change link ${index}`,
    type: RTM_NEWLINK,
    payload: encodeLinkChange(index, change),
  })
}

/** Removes a link, of a veth pair both ends; false when there is none. @throws {NetlinkError} */
export async function removeLink(socket: NetlinkSocket, key: LinkKey): Promise<boolean> {
  try {
    await socket.request({
      operation: `remove link ${key}`,
      type: RTM_DELLINK,
      payload: encodeLinkQuery(queryOf(key)),
      isSlow: true,
    })
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}

/**
 * What has this name: a link that `decode` knows as one of its kind, a link of another kind, or undefined.
 * @throws {NetlinkError}
 */
export async function findLinkOfKind<T>(
  socket: NetlinkSocket,
  name: string,
  decode: (payload: Buffer) => T | undefined,
): Promise<T | 'another kind' | undefined> {
  try {
    const [message] = await socket.request({
      operation: `get link ${name}`,
      type: RTM_GETLINK,
      payload: encodeLinkQuery({ name }),
    })
    return message === undefined ? undefined : (decode(message.payload) ?? 'another kind')
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}
