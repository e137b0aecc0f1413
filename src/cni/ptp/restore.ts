import { type LinkAddress, listAddresses } from '#linux/netlink/address.ts'
import { type Link, listLinks } from '#linux/netlink/link.ts'
import { listRoutes, type Route } from '#linux/netlink/route.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { parseMac } from '#net/mac.ts'
import { formatPrefix, hostPrefix } from '#net/prefix.ts'
import { systemClock } from '#runtime/clock.ts'
import { attachmentOf } from '../attachment.ts'
import { addressesOf, isContainerInterface } from '../chained.ts'
import { openContainer } from '../container.ts'
import { addMasquerade } from '../masquerade/apply.ts'
import { listMasqueraded } from '../masquerade/whole.ts'
import type { LiveAttachment, RestoreContext, Restoring } from '../spec/plugin.ts'
import type { CniIp } from '../spec/result.ts'
import { configureContainer } from '../veth/container-link.ts'
import { enableForwarding } from '../veth/forwarding.ts'
import { hostLinkName } from '../veth/identity.ts'
import { withOfferedMtu } from '../veth/offered-mtu.ts'
import { createPair, requireLink, type Sides, setUpHostLink } from '../veth/pair.ts'
import { planAddresses } from '../veth/plan.ts'
import { leadTo } from './add.ts'
import { ptpConfigFrom } from './config.ts'

/** Pairs, host routes and masquerading of live attachments, when somebody has taken them away. */
export const ptpRestoring: Restoring = {
  tables: ['nodeplane_cni'],
  hasLinks: true,
  lost: lostAttachments,
  restore: restoreAttachment,
}

type Network = {
  readonly links: ReadonlyMap<string, Link>
  readonly addresses: readonly LinkAddress[]
  readonly routes: readonly Route[]
}

async function lostAttachments(
  live: readonly LiveAttachment[],
  { signal }: RestoreContext,
): Promise<readonly LiveAttachment[]> {
  using host = NetlinkSocket.open()
  const network: Network = {
    links: new Map((await listLinks(host)).map(link => [link.name, link])),
    addresses: await listAddresses(host, 0),
    routes: [...(await listRoutes(host, 4)), ...(await listRoutes(host, 6))],
  }
  const isWanted = live.some(({ request }) => ptpConfigFrom(request).ipMasq)
  const isMasqueraded = isWanted ? await listMasqueraded('nftables', signal) : () => true
  return live.filter(each => {
    const attachment = attachmentOf(each.request)
    const { ipMasq } = ptpConfigFrom(each.request)
    const bare = ipsOf(each).some(({ address }) => ipMasq && !isMasqueraded(attachment, address))
    return bare || !isLinked(each, network)
  })
}

const ipsOf = ({ request, result }: LiveAttachment): readonly CniIp[] =>
  addressesOf(result, request.ifname)

function isLinked(live: LiveAttachment, { links, addresses, routes }: Network): boolean {
  const link = links.get(hostLinkName(attachmentOf(live.request)))
  if (link?.isUp !== true) return false
  return ipsOf(live).every(({ address, gateway }) => {
    const text = formatPrefix(hostPrefix(address.address))
    const isLed = routes.some(
      ({ destination, linkIndex }) =>
        linkIndex === link.index && formatPrefix(destination) === text,
    )
    const isGateway = ({ linkIndex, prefix }: LinkAddress) =>
      linkIndex === link.index && prefix.address === gateway
    return isLed && (gateway === undefined || addresses.some(isGateway))
  })
}

async function restoreAttachment(live: LiveAttachment, context: RestoreContext): Promise<void> {
  const { signal, warn } = context
  const { request, result } = live
  const config = await withOfferedMtu(ptpConfigFrom(request))
  const attachment = attachmentOf(request)
  using namespace = openContainer(request)
  using host = NetlinkSocket.open()
  using container = NetlinkSocket.open(namespace)
  const sides: Sides = { host, container, namespace }
  const links = await listLinks(host)
  if (!links.some(({ name }) => name === hostLinkName(attachment))) {
    const inside = result.interfaces.find(each => isContainerInterface(each, request.ifname))
    await createPair(sides, attachment, { ...config, mac: parseMac(inside?.mac ?? '') })
  }
  const link = await setUpHostLink(host, attachment)
  const wish = { isGateway: true, isDefaultGateway: false }
  const plan = planAddresses(wish, { ...result, ips: ipsOf(live) })
  await enableForwarding(host, plan.families, warn)
  const inner = await requireLink(container, request.ifname)
  const { enabledad } = config
  const clock = systemClock
  await configureContainer(sides, inner, { ...plan, isPointToPoint: true }, { enabledad, clock })
  for (const ip of plan.ips) await leadTo(sides, link, ip, { isRepeated: true })
  if (!config.ipMasq) return
  const prefixes = plan.ips.map(({ address }) => address)
  await addMasquerade(attachment, prefixes, { backend: 'nftables', signal })
}
