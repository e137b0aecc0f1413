import { type LinkAddress, listAddresses } from '#linux/netlink/address.ts'
import { changeLink, findLink, type Link, listLinks } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { type MacAddress, parseMac } from '#net/mac.ts'
import { formatPrefix } from '#net/prefix.ts'
import { systemClock } from '#runtime/clock.ts'
import { attachmentOf } from '../attachment.ts'
import { addressesOf, isContainerInterface } from '../chained.ts'
import { openContainer } from '../container.ts'
import type { LiveAttachment, RestoreContext } from '../spec/plugin.ts'
import { configureContainer } from '../veth/container-link.ts'
import { enableForwarding } from '../veth/forwarding.ts'
import { hostLinkName } from '../veth/identity.ts'
import { withOfferedMtu } from '../veth/offered-mtu.ts'
import { createPair, requireLink, type Sides, setUpHostLink } from '../veth/pair.ts'
import { type AddressPlan, planAddresses } from '../veth/plan.ts'
import { type BridgeConfig, bridgeConfigFrom } from './config.ts'
import { ensureBridge, ensureGateway } from './host.ts'
import { ensureVlanFiltering, ensureVlanGateway, setPortVlans, withVlans } from './vlan-gateway.ts'
import { vlanGatewayName } from './vlans.ts'

/** The machine's links and addresses, listed once for all attachments. */
type Network = {
  readonly links: ReadonlyMap<string, Link>
  readonly addresses: readonly LinkAddress[]
}

/** Attachments whose bridge, veth pair or gateway address somebody has removed, or has set down. */
export async function withoutLinks(
  live: readonly LiveAttachment[],
): Promise<readonly LiveAttachment[]> {
  using host = NetlinkSocket.open()
  const links = new Map((await listLinks(host)).map(link => [link.name, link]))
  const network = { links, addresses: await listAddresses(host, 0) }
  return live.filter(each => !isLinked(each, network))
}

function isLinked(live: LiveAttachment, { links, addresses }: Network): boolean {
  const config = bridgeConfigFrom(live.request)
  const bridge = links.get(config.bridge)
  const port = links.get(hostLinkName(attachmentOf(live.request)))
  if (bridge?.isUp !== true || port?.isUp !== true || port.masterIndex !== bridge.index)
    return false
  const vlan = config.vlans?.access
  const gateway = vlan === undefined ? bridge : links.get(vlanGatewayName(bridge.name, vlan))
  const present = new Set(
    addresses
      .filter(({ linkIndex }) => linkIndex === gateway?.index)
      .map(({ prefix }) => formatPrefix(prefix)),
  )
  return planOf(live, config).gatewayAddresses.every(each => present.has(formatPrefix(each)))
}

/** What ADD planned: the result has it, gateways and default routes filled in. */
const planOf = ({ request, result }: LiveAttachment, { isGateway }: BridgeConfig): AddressPlan =>
  planAddresses(
    { isGateway, isDefaultGateway: false },
    { ...result, ips: addressesOf(result, request.ifname) },
  )

/** Makes the links again as they were, MACs too: neighbours and connections go on. */
export async function restoreLinks(live: LiveAttachment, { warn }: RestoreContext): Promise<void> {
  const { request, result } = live
  const config = await withOfferedMtu(bridgeConfigFrom(request))
  const attachment = attachmentOf(request)
  using host = NetlinkSocket.open()
  const mac = macOf(result.interfaces.find(({ name }) => name === config.bridge)?.mac)
  const bridge = await withVlans(() => ensureBridge(host, { ...config, mac }))
  if (config.vlans !== undefined) await ensureVlanFiltering(host, bridge)
  const known = await findLink(host, hostLinkName(attachment))
  if (known === undefined) await restorePair(live, { host, config, bridge })
  else if (known.masterIndex !== bridge.index) {
    await changeLink(host, known.index, { masterIndex: bridge.index })
  }
  const port = await setUpHostLink(host, attachment, {
    hairpin: config.hairpinMode,
    isolated: config.portIsolation,
  })
  if (config.vlans !== undefined) await setPortVlans(host, port.index, config.vlans)
  const plan = planOf(live, config)
  if (plan.gatewayAddresses.length === 0) return
  const vlan = config.vlans?.access
  const gateway =
    vlan === undefined ? bridge : await ensureVlanGateway(host, bridge, { vlan, mtu: config.mtu })
  await ensureGateway(host, gateway, plan.gatewayAddresses, config)
  await enableForwarding(host, plan.families, warn)
}

type PairPlace = {
  readonly host: NetlinkSocket
  readonly config: BridgeConfig
  readonly bridge: Link
}

async function restorePair(
  live: LiveAttachment,
  { host, config, bridge }: PairPlace,
): Promise<void> {
  const { request, result } = live
  const attachment = attachmentOf(request)
  using namespace = openContainer(request)
  using container = NetlinkSocket.open(namespace)
  const sides: Sides = { host, container, namespace }
  const recorded = result.interfaces.find(each => isContainerInterface(each, request.ifname))
  const mac = macOf(recorded?.mac) ?? config.mac
  await createPair(sides, attachment, { mtu: config.mtu, mac, masterIndex: bridge.index })
  const link = await requireLink(container, attachment.ifname)
  const { enabledad } = config
  const plan = { ...planOf(live, config), routes: result.routes }
  if (plan.ips.length > 0) {
    // Routes need the link's other end.
    await setUpHostLink(host, attachment)
    await configureContainer(sides, link, plan, { enabledad, clock: systemClock })
  } else if (!config.disableContainerInterface) {
    await changeLink(container, link.index, { isUp: true })
  }
}

const macOf = (text: string | undefined): MacAddress | undefined => parseMac(text ?? '')
