import { findLink, type Link } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { describeError } from '#runtime/error.ts'
import { attachmentOf } from '../attachment.ts'
import { requirePrevResult } from '../chained.ts'
import { findContainer, openContainer } from '../container.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { AttachmentRequest, CniContext, CniPlugin, GcRequest } from '../spec/plugin.ts'
import { type CniResult, emptyResult } from '../spec/result.ts'
import { cniVersions } from '../spec/version.ts'
import { type BandwidthConfig, bandwidthConfigFrom } from './config.ts'
import {
  limitDifferences,
  limitReceiving,
  limitSending,
  receivingDifferences,
  removeIfbs,
  removeLimits,
  removeUnknownIfbs,
} from './shape.ts'

/** Limits how fast a container sends and receives: chained behind the plugin that made its veth pair. */
export const bandwidth: CniPlugin = {
  name: 'bandwidth',
  supportedVersions: cniVersions,
  add,
  check,
  del,
  gc,
  status: async ({ config }) => {
    bandwidthConfigFrom(config)
  },
}

const isUnlimited = ({ ingress, egress }: BandwidthConfig): boolean =>
  ingress === undefined && egress === undefined

async function add(request: AttachmentRequest, { warn }: CniContext): Promise<CniResult> {
  const config = bandwidthConfigFrom(request.config)
  // As with the reference, nobody asks then whether it is chained.
  if (isUnlimited(config)) return request.config.prevResult ?? emptyResult
  const result = requirePrevResult(request)
  using host = NetlinkSocket.open()
  const link = await hostEndOf(request, host, result)
  try {
    return await limit(request, host, { config, link, result })
  } catch (error) {
    await removeLimits(host, attachmentOf(request), link).catch(failure =>
      warn(`undoing a failed ADD: ${describeError(failure)}`),
    )
    throw error
  }
}

async function limit(
  request: AttachmentRequest,
  host: NetlinkSocket,
  { config, link, result }: { config: BandwidthConfig; link: Link; result: CniResult },
): Promise<CniResult> {
  const { ingress, egress } = config
  if (ingress !== undefined) await limitSending(host, link, ingress)
  if (egress === undefined) return result
  const ifb = await limitReceiving(host, attachmentOf(request), { link, limit: egress })
  return { ...result, interfaces: [...result.interfaces, { name: ifb.name, mac: ifb.mac }] }
}

/** @throws {CniError} code 100 with everything that is not as it is configured. */
async function check(request: AttachmentRequest): Promise<void> {
  const config = bandwidthConfigFrom(request.config)
  const result = requirePrevResult(request)
  if (isUnlimited(config)) return
  using host = NetlinkSocket.open()
  const link = await hostEndOf(request, host, result)
  const { ingress, egress } = config
  const found = [
    ...(ingress === undefined ? [] : await limitDifferences(host, link, ingress)),
    ...(egress === undefined
      ? []
      : await receivingDifferences(host, attachmentOf(request), { link, limit: egress })),
  ]
  if (found.length > 0) throw new CniError(cniCodes.checkFailed, found.join('; '))
}

/** The ifb; all else goes with the veth pair. */
async function del(request: AttachmentRequest): Promise<void> {
  using host = NetlinkSocket.open()
  await removeIfbs(host, attachmentOf(request), await peerIndexOf(request))
}

async function gc({ config, validAttachments }: GcRequest): Promise<void> {
  if (validAttachments === undefined) return
  using host = NetlinkSocket.open()
  const valid = validAttachments.map(each => ({ ...each, network: config.name }))
  await removeUnknownIfbs(host, config.name, valid)
}

async function peerIndexOf(request: AttachmentRequest): Promise<number | undefined> {
  using namespace = findContainer(request)
  if (namespace === undefined) return undefined
  using container = NetlinkSocket.open(namespace)
  return (await findLink(container, request.ifname))?.peerIndex
}

/** The other end of the container's veth pair. @throws {CniError} code 7: it has none on the host, or none that prevResult names. */
async function hostEndOf(
  request: AttachmentRequest,
  host: NetlinkSocket,
  { interfaces }: CniResult,
): Promise<Link> {
  const { ifname } = request
  using namespace = openContainer(request)
  using container = NetlinkSocket.open(namespace)
  const inside = await findLink(container, ifname)
  const peerIndex = inside?.kind === 'veth' ? inside.peerIndex : undefined
  const link = peerIndex === undefined ? undefined : await findLink(host, peerIndex)
  if (link?.kind !== 'veth' || link.peerIndex !== inside?.index) {
    throw new CniError(
      cniCodes.invalidConfig,
      `only a veth pair between host and container can be limited: ${ifname} is no end of one`,
    )
  }
  if (interfaces.some(({ name, sandbox }) => name === link.name && !sandbox)) return link
  throw new CniError(cniCodes.invalidConfig, `prevResult has no host interface ${link.name}`)
}
