import { ensureAddress } from '#linux/netlink/address.ts'
import type { Link } from '#linux/netlink/link.ts'
import { addRoute, listRoutes, RouteScope } from '#linux/netlink/route.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { hostPrefix, type IpPrefix } from '#net/prefix.ts'
import { type Attachment, attachmentOf } from '../attachment.ts'
import { openContainer } from '../container.ts'
import { addMasquerade, removeMasquerade } from '../masquerade/apply.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import { addIpam } from '../spec/ipam.ts'
import type { AttachmentRequest, CniContext } from '../spec/plugin.ts'
import type { CniIp, CniResult } from '../spec/result.ts'
import { UNDO_LIMIT_MS, type Undo, undoOn } from '../undo.ts'
import { configureContainer } from '../veth/container-link.ts'
import { enableForwarding } from '../veth/forwarding.ts'
import { withOfferedMtu } from '../veth/offered-mtu.ts'
import { createPair, removePair, requireLink, type Sides, setUpHostLink } from '../veth/pair.ts'
import { planAddresses } from '../veth/plan.ts'
import { type PtpConfig, ptpConfigFrom } from './config.ts'

/** One ADD under way: what it works with, and what is to be done should it fail. */
type Work = {
  readonly request: AttachmentRequest
  readonly context: CniContext
  readonly config: PtpConfig
  readonly attachment: Attachment
  readonly sides: Sides
  readonly undo: Undo
}

/**
 * ADD: a veth pair whose end on the host is the container's gateway, with IPAM's addresses. When it fails nothing of it
 * remains but the node's forwarding.
 */
export async function addPtp(request: AttachmentRequest, context: CniContext): Promise<CniResult> {
  const config = await withOfferedMtu(ptpConfigFrom(request))
  using namespace = openContainer(request)
  using host = NetlinkSocket.open()
  using container = NetlinkSocket.open(namespace)
  // Declared last, so that it undoes while the sockets are open.
  await using undone = new AsyncDisposableStack()
  const undo = undoOn(undone, context)
  const sides = { host, container, namespace }
  const attachment = attachmentOf(request)
  const result = await connect({ request, context, config, attachment, sides, undo })
  undone.move()
  return result
}

async function connect(work: Work): Promise<CniResult> {
  const { request, context, config, attachment, sides, undo } = work
  await createPair(sides, attachment, config)
  undo('remove the veth pair', () => removePair(sides.host, attachment))
  const hostLink = await setUpHostLink(sides.host, attachment)
  const containerLink = await requireLink(sides.container, attachment.ifname)
  const ipam = await addIpam(config.ipamType, request, context)
  undo('release the addresses', () => context.delegate.run('DEL', config.ipamType, request))
  const plan = planAddresses({ isGateway: true, isDefaultGateway: false }, ipam)
  await enableForwarding(sides.host, plan.families, context.warn)
  const { enabledad } = config
  const containerPlan = { ...plan, isPointToPoint: true }
  // The other end is up already: frames pass when this one is.
  await configureContainer(sides, containerLink, containerPlan, { enabledad, clock: context.clock })
  for (const ip of plan.ips) await leadTo(sides, hostLink, ip)
  if (config.ipMasq) await masquerade(work, plan.ips)
  return {
    interfaces: [
      { name: hostLink.name, mac: hostLink.mac },
      { name: containerLink.name, mac: containerLink.mac, sandbox: request.netns },
    ],
    ips: plan.ips.map(ip => ({ ...ip, interface: 1 })),
    routes: plan.routes,
    dns: config.dns ?? ipam.dns,
  }
}

/**
 * The gateway's address on the host's end, which those of other containers have too, and a route to the container.
 * @param isRepeated the route may be there, as this has made it.
 * @throws {CniError} code 7: another link leads to the address.
 */
export async function leadTo(
  { host }: Sides,
  link: Link,
  { address, gateway }: CniIp,
  { isRepeated = false } = {},
): Promise<void> {
  if (gateway !== undefined) {
    await ensureAddress(host, { linkIndex: link.index, prefix: hostPrefix(gateway) })
  }
  const destination = hostPrefix(address.address)
  const isAdded = await addRoute(host, {
    destination,
    linkIndex: link.index,
    gateways: [],
    scope: RouteScope.host,
    source: gateway,
  })
  if (isAdded || (isRepeated && (await isLedBy(host, destination, link)))) return
  throw new CniError(
    cniCodes.invalidConfig,
    `ipam: the host has another route to ${destination.address}`,
  )
}

const isLedBy = async (host: NetlinkSocket, { family, address }: IpPrefix, link: Link) =>
  (await listRoutes(host, family)).some(
    ({ destination, linkIndex }) => destination.address === address && linkIndex === link.index,
  )

async function masquerade(
  { attachment, context, undo }: Work,
  ips: readonly CniIp[],
): Promise<void> {
  // Not with the call's own signal: that it was aborted may be why this is undone.
  undo('remove the masquerading', () =>
    removeMasquerade(attachment, AbortSignal.timeout(UNDO_LIMIT_MS)),
  )
  const addresses = ips.map(({ address }) => address)
  const { signal } = context
  await addMasquerade(attachment, addresses, { backend: 'nftables', signal })
}
