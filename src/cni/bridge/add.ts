import { changeLink, type Link } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { type Attachment, attachmentOf } from '../attachment.ts'
import { openContainer } from '../container.ts'
import { addMasquerade, removeMasquerade } from '../masquerade/apply.ts'
import { addIpam } from '../spec/ipam.ts'
import type { AttachmentRequest, CniContext } from '../spec/plugin.ts'
import type { CniDns, CniResult } from '../spec/result.ts'
import { UNDO_LIMIT_MS, type Undo, undoOn } from '../undo.ts'
import { configureContainer } from '../veth/container-link.ts'
import { enableForwarding } from '../veth/forwarding.ts'
import { hostLinkName } from '../veth/identity.ts'
import { withOfferedMtu } from '../veth/offered-mtu.ts'
import {
  createPair,
  removePair,
  requireLink,
  type Sides,
  setUpHostLink,
  waitForPort,
} from '../veth/pair.ts'
import { type AddressPlan, planAddresses } from '../veth/plan.ts'
import { type BridgeConfig, bridgeConfigFrom } from './config.ts'
import { ensureBridge, ensureGateway } from './host.ts'
import { addSpoofCheck, removeSpoofCheck } from './spoof/apply.ts'
import { ensureVlanFiltering, ensureVlanGateway, setPortVlans, withVlans } from './vlan-gateway.ts'

/** One ADD under way: what it works with, and what is to be done should it fail. */
type Work = {
  readonly request: AttachmentRequest
  readonly context: CniContext
  readonly config: BridgeConfig
  readonly attachment: Attachment
  readonly sides: Sides
  readonly undo: Undo
}

/**
 * ADD: a veth pair between the bridge and the container, with IPAM's addresses. When it fails nothing of it remains but
 * the bridge, its addresses and the node's forwarding, which others share.
 */
export async function addBridge(
  request: AttachmentRequest,
  context: CniContext,
): Promise<CniResult> {
  const config = await withOfferedMtu(bridgeConfigFrom(request))
  using namespace = openContainer(request)
  using host = NetlinkSocket.open()
  using container = NetlinkSocket.open(namespace)
  // Declared last, so that it undoes while the sockets are open.
  await using undone = new AsyncDisposableStack()
  const work: Work = {
    request,
    context,
    config,
    attachment: attachmentOf(request),
    sides: { host, container, namespace },
    undo: undoOn(undone, context),
  }
  const result = await addInterface(work)
  undone.move()
  return result
}

async function addInterface(work: Work): Promise<CniResult> {
  const { config, attachment, sides, context } = work
  const bridge = await withVlans(() => ensureBridge(sides.host, config))
  if (config.vlans !== undefined) await ensureVlanFiltering(sides.host, bridge)
  await createPair(sides, attachment, { ...config, masterIndex: bridge.index })
  work.undo('remove the veth pair', () => removePair(sides.host, attachment))
  const hostLink = await setUpHostLink(sides.host, attachment, {
    hairpin: config.hairpinMode,
    isolated: config.portIsolation,
  })
  if (config.vlans !== undefined) await setPortVlans(sides.host, hostLink.index, config.vlans)
  const containerLink = await requireLink(sides.container, attachment.ifname)
  if (config.macspoofchk) await guardPort(work, containerLink)
  const addressing =
    config.ipamType === undefined
      ? await addLayer2(work, containerLink)
      : await addLayer3(work, config.ipamType, { bridge, containerLink })
  if (!config.disableContainerInterface) {
    await waitForPort(sides.host, hostLink.index, context.clock)
  }
  return resultOf(work, bridge, addressing)
}

/** Before the container's end is up: there is no moment in which it may send what it likes. */
async function guardPort({ attachment, context, undo }: Work, { mac }: Link): Promise<void> {
  undo('remove the MAC spoof check', () =>
    removeSpoofCheck(attachment, AbortSignal.timeout(UNDO_LIMIT_MS)),
  )
  if (mac !== undefined) await addSpoofCheck(attachment, mac, context.signal)
}

type Addressing = Pick<AddressPlan, 'ips' | 'routes'> & {
  readonly dns: CniDns
  /** The link with the gateways' addresses, when it is not the bridge itself. */
  readonly vlanGateway?: Link | undefined
}

async function addLayer2({ config, sides }: Work, link: Link): Promise<Addressing> {
  if (!config.disableContainerInterface) {
    await changeLink(sides.container, link.index, { isUp: true })
  }
  return { ips: [], routes: [], dns: {} }
}

async function addLayer3(
  { request, context, config, attachment, sides, undo }: Work,
  ipamType: string,
  { bridge, containerLink }: { bridge: Link; containerLink: Link },
): Promise<Addressing> {
  const ipam = await addIpam(ipamType, request, context)
  undo('release the addresses', () => context.delegate.run('DEL', ipamType, request))
  const plan = planAddresses(config, ipam)
  const { enabledad } = config
  await configureContainer(sides, containerLink, plan, { enabledad, clock: context.clock })
  const vlanGateway = await vlanGatewayOf(sides.host, bridge, config)
  if (config.isGateway) {
    await ensureGateway(sides.host, vlanGateway ?? bridge, plan.gatewayAddresses, config)
    await enableForwarding(sides.host, plan.families, context.warn)
  }
  if (config.ipMasq) {
    // Not with the call's own signal: that it was aborted may be why this is undone.
    undo('remove the masquerading', () =>
      removeMasquerade(attachment, AbortSignal.timeout(UNDO_LIMIT_MS)),
    )
    const addresses = plan.ips.map(({ address }) => address)
    const { signal } = context
    await addMasquerade(attachment, addresses, { backend: config.ipMasqBackend, signal })
  }
  return { ...plan, dns: ipam.dns, vlanGateway }
}

async function vlanGatewayOf(
  host: NetlinkSocket,
  bridge: Link,
  { isGateway, vlans, mtu }: BridgeConfig,
): Promise<Link | undefined> {
  const vlan = vlans?.access
  return isGateway && vlan !== undefined
    ? await ensureVlanGateway(host, bridge, { vlan, mtu })
    : undefined
}

/** The MACs are read at the end: a bridge without a MAC of its own takes one of its ports'. */
async function resultOf(
  { request, config, attachment, sides }: Work,
  bridge: Link,
  { ips, routes, dns, vlanGateway }: Addressing,
): Promise<CniResult> {
  const [bridgeLink, hostLink, containerLink] = await Promise.all([
    requireLink(sides.host, bridge.index),
    requireLink(sides.host, hostLinkName(attachment)),
    requireLink(sides.container, attachment.ifname),
  ])
  return {
    interfaces: [
      { name: bridgeLink.name, mac: bridgeLink.mac },
      { name: hostLink.name, mac: hostLink.mac },
      { name: containerLink.name, mac: containerLink.mac, sandbox: request.netns },
      ...(vlanGateway === undefined ? [] : [{ name: vlanGateway.name, mac: vlanGateway.mac }]),
    ],
    ips: ips.map(ip => ({ ...ip, interface: 2 })),
    routes,
    dns: config.dns ?? dns,
  }
}
