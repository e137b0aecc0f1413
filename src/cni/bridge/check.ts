import { listPortVlans } from '#linux/netlink/bridge-vlan.ts'
import { findLink } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { attachmentOf } from '../attachment.ts'
import { openContainer } from '../container.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { AttachmentRequest, CniContext } from '../spec/plugin.ts'
import { readVethState } from '../veth/state.ts'
import { type AttachmentState, differences } from './compare.ts'
import { type BridgeConfig, bridgeConfigFrom } from './config.ts'
import { listSpoofChecks } from './spoof/apply.ts'

/**
 * CHECK: is the attachment still what its result and configuration say? Changes nothing.
 * @throws {CniError} code 999 with everything that differs; IPAM's errors; those of ADD for a wrong configuration.
 */
export async function checkBridge(request: AttachmentRequest, context: CniContext): Promise<void> {
  const config = bridgeConfigFrom(request)
  const { prevResult } = request.config
  if (prevResult === undefined) {
    throw new CniError(cniCodes.invalidConfig, 'Required prevResult missing')
  }
  const state = await readState(request, config, context.signal)
  const { ifname, netns } = request
  const found = differences({ config, ifname, netns, result: prevResult }, state)
  if (found.length > 0) throw new CniError(cniCodes.internal, found.join('; '))
  if (config.ipamType !== undefined) await context.delegate.run('CHECK', config.ipamType, request)
}

async function readState(
  request: AttachmentRequest,
  config: BridgeConfig,
  signal: AbortSignal,
): Promise<AttachmentState> {
  using namespace = openContainer(request)
  using host = NetlinkSocket.open()
  using container = NetlinkSocket.open(namespace)
  const { ipMasq: isMasqueraded, ipMasqBackend: backend, vlans, macspoofchk } = config
  const wish = { isMasqueraded, backend, signal }
  const state = await readVethState(request, { host, container }, wish)
  const { hostLink } = state
  const hasVlans = vlans !== undefined && hostLink !== undefined
  return {
    ...state,
    bridge: await findLink(host, config.bridge),
    vlans: hasVlans ? await listPortVlans(host, hostLink.index) : [],
    spoofChecks: macspoofchk ? await listSpoofChecks(attachmentOf(request), signal) : [],
  }
}
