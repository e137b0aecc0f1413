import { isExists } from '#linux/netlink/error.ts'
import { createIfb } from '#linux/netlink/ifb.ts'
import { changeLink, findLink, type Link, listLinks, removeLink } from '#linux/netlink/link.ts'
import {
  addIngress,
  burstTicks,
  listQdiscs,
  removeQdisc,
  setTokenBucket,
} from '#linux/netlink/qdisc.ts'
import { addRedirect, listRedirects } from '#linux/netlink/redirect.ts'
import type { NetlinkSocket } from '#linux/netlink/socket.ts'
import type { Attachment } from '../attachment.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { Limit } from './config.ts'
import {
  bucketDifferences,
  bucketOf,
  ifbAlias,
  ifbMark,
  ifbName,
  referenceIfbName,
} from './plan.ts'

/** Limits what a link sends: on the host end, what goes to the container. @throws {NetlinkError} */
export const limitSending = (host: NetlinkSocket, link: Link, limit: Limit): Promise<void> =>
  setTokenBucket(host, link.index, bucketOf(limit))

/**
 * Limits what a link receives: it is redirected to an ifb, which sends it on.
 * @returns the ifb.
 * @throws {NetlinkError}
 */
export async function limitReceiving(
  host: NetlinkSocket,
  attachment: Attachment,
  { link, limit }: { readonly link: Link; readonly limit: Limit },
): Promise<Link> {
  const ifb = await ensureIfb(host, ifbName(attachment), link.mtu)
  await limitSending(host, ifb, limit)
  await changeLink(host, ifb.index, { isUp: true, alias: ifbAlias(attachment) })
  // With the filters of an ADD before this one.
  await removeQdisc(host, link.index, 'ingress')
  await addIngress(host, link.index)
  await addRedirect(host, link.index, ifb.index)
  return ifb
}

async function ensureIfb(host: NetlinkSocket, name: string, mtu: number): Promise<Link> {
  try {
    await createIfb(host, { name, mtu })
  } catch (error) {
    if (!isExists(error)) throw error
  }
  const link = await findLink(host, name)
  if (link?.kind === 'ifb') return link
  throw new CniError(cniCodes.internal, `link ${name} is in the way: it is no ifb`)
}

/** Takes all limits from a link again; what it does not have is fine. @throws {NetlinkError} */
export async function removeLimits(
  host: NetlinkSocket,
  attachment: Attachment,
  link: Link,
): Promise<void> {
  await removeQdisc(host, link.index, 'root')
  await removeQdisc(host, link.index, 'ingress')
  await removeOwnIfb(host, attachment)
}

async function removeOwnIfb(host: NetlinkSocket, attachment: Attachment): Promise<void> {
  const link = await findLink(host, ifbName(attachment))
  if (link?.kind === 'ifb') await removeLink(host, link.index)
}

/**
 * Removes the attachment's ifb, and that of the reference, which other interfaces of the container may use.
 * @param hostIndex index of the attachment's host end, when it is still there.
 * @throws {NetlinkError}
 */
export async function removeIfbs(
  host: NetlinkSocket,
  attachment: Attachment,
  hostIndex: number | undefined,
): Promise<void> {
  await removeOwnIfb(host, attachment)
  const reference = await findLink(host, referenceIfbName(attachment))
  if (reference?.kind !== 'ifb') return
  for (const link of await listLinks(host)) {
    if (link.kind !== 'veth' || link.index === hostIndex) continue
    if ((await listRedirects(host, link.index)).includes(reference.index)) return
  }
  await removeLink(host, reference.index)
}

/** Removes the ifbs of a network's attachments other than these. @throws {NetlinkError} */
export async function removeUnknownIfbs(
  host: NetlinkSocket,
  network: string,
  valid: readonly Attachment[],
): Promise<void> {
  const names = new Set(valid.map(ifbName))
  const mark = `${ifbMark(network)} `
  for (const { alias, name, index } of await listLinks(host)) {
    if (alias?.startsWith(mark) && !names.has(name)) await removeLink(host, index)
  }
}

/** How the limits of a link differ from the wish. @throws {NetlinkError} */
export async function limitDifferences(
  host: NetlinkSocket,
  link: Link,
  limit: Limit,
): Promise<readonly string[]> {
  const bucket = bucketOf(limit)
  const qdiscs = await listQdiscs(host, link.index)
  const found = qdiscs.find(({ place }) => place === 'root')?.bucket
  const differences = bucketDifferences({ ...bucket, ticks: burstTicks(bucket) }, found)
  return differences.map(text => `${link.name}: ${text}`)
}

/** How what a link receives differs from being sent by this attachment's ifb with this limit. @throws {NetlinkError} */
export async function receivingDifferences(
  host: NetlinkSocket,
  attachment: Attachment,
  { link, limit }: { readonly link: Link; readonly limit: Limit },
): Promise<readonly string[]> {
  const name = ifbName(attachment)
  const ifb = await findLink(host, name)
  if (ifb === undefined) return [`${name} is missing`]
  const isRedirected = (await listRedirects(host, link.index)).includes(ifb.index)
  return [
    ...(ifb.isUp ? [] : [`${name} is down`]),
    ...(isRedirected ? [] : [`what ${link.name} receives is not redirected to ${name}`]),
    ...(await limitDifferences(host, ifb, limit)),
  ]
}
