import type { PortVlan } from '#linux/netlink/bridge-vlan.ts'
import type { Link } from '#linux/netlink/link.ts'
import type { CniResult } from '../spec/result.ts'
import {
  addressDifferences,
  containerDifferences,
  masqueradeDifferences,
  routeDifferences,
  type VethState,
} from '../veth/compare.ts'
import type { BridgeConfig } from './config.ts'
import type { SpoofElement } from './spoof/render.ts'
import { DEFAULT_VLAN } from './vlans.ts'

/** What the kernel has of an attachment; undefined for links that are not there. */
export type AttachmentState = VethState & {
  readonly bridge: Link | undefined
  /** Of the host's end. */
  readonly vlans: readonly PortVlan[]
  /** What guards the host's end against foreign MACs. */
  readonly spoofChecks: readonly SpoofElement[]
}

/** What an attachment should be. */
export type AttachmentWish = {
  readonly config: BridgeConfig
  readonly ifname: string
  /** CNI_NETNS */
  readonly netns: string
  /** The final result of the whole chain: later plugins may have added to it. */
  readonly result: CniResult
}

/** Everything about the attachment that is not as its result and configuration say; empty when all is well. */
export function differences(wish: AttachmentWish, state: AttachmentState): readonly string[] {
  const index = wish.result.interfaces.findIndex(
    ({ name, sandbox }) => name === wish.ifname && sandbox === wish.netns,
  )
  const recorded = wish.result.interfaces[index]
  if (recorded === undefined) return [`prevResult has no interface ${wish.ifname} in ${wish.netns}`]
  const ips = wish.result.ips.filter(ip => ip.interface === index)
  return [
    ...bridgeDifferences(wish, state),
    ...containerDifferences(recorded, state),
    ...portDifferences(wish, state),
    ...vlanDifferences(wish.config, state),
    ...spoofDifferences(wish.config, state),
    ...ips.flatMap(ip => addressDifferences(ip, state)),
    ...wish.result.routes.flatMap(route => routeDifferences(route, state)),
    ...(wish.config.ipMasq ? ips.flatMap(ip => masqueradeDifferences(ip, state)) : []),
  ]
}

/**
 * The reference also compares the bridge's MAC, which may change with its ports, and demands promiscuity to be off,
 * which a packet capture switches on; we do neither.
 */
function bridgeDifferences({ config, result }: AttachmentWish, { bridge }: AttachmentState) {
  const { bridge: name, promiscMode } = config
  const found: string[] = []
  if (!result.interfaces.some(each => each.name === name && !each.sandbox)) {
    found.push(`prevResult has no bridge ${name}`)
  }
  if (bridge === undefined) return [...found, `bridge ${name} is missing`]
  if (bridge.kind !== 'bridge') found.push(`${name} is not a bridge`)
  if (promiscMode && !bridge.isPromiscuous) found.push(`bridge ${name} is not promiscuous`)
  return found
}

function portDifferences({ config, result }: AttachmentWish, state: AttachmentState) {
  const { bridge, hostLink, containerLink } = state
  if (bridge === undefined || containerLink === undefined) return []
  if (hostLink === undefined) return ['the host end of the veth pair is missing']
  const { name, masterIndex, bridgePort } = hostLink
  const isRecorded = result.interfaces.some(each => each.name === name && !each.sandbox)
  if (!isRecorded) return [`prevResult has no host interface ${name}`]
  if (masterIndex !== bridge.index) return [`${name} is not a port of bridge ${bridge.name}`]
  const found: string[] = []
  if (bridgePort?.hairpin !== config.hairpinMode) {
    found.push(`hairpin mode of ${name} is not ${config.hairpinMode}`)
  }
  // The other way round it may be the firewall plugin's doing.
  if (config.portIsolation && bridgePort?.isolated !== true) found.push(`${name} is not isolated`)
  return found
}

function vlanDifferences(
  { vlans: wanted }: BridgeConfig,
  { vlans, hostLink }: AttachmentState,
): readonly string[] {
  if (wanted === undefined || hostLink === undefined) return []
  const name = `${hostLink.name} in VLAN`
  const missing = wanted.add.filter(
    ({ id, isPvid, isUntagged }) =>
      !vlans.some(
        each => each.id === id && each.isPvid === isPvid && each.isUntagged === isUntagged,
      ),
  )
  const isStillDefault = wanted.leavesDefault && vlans.some(({ id }) => id === DEFAULT_VLAN)
  return [
    ...missing.map(({ id }) => `${name} ${id} is not as configured`),
    ...(isStillDefault ? [`${name} ${DEFAULT_VLAN}, which it should have left`] : []),
  ]
}

/** The ports and their MACs are in two sets. */
const spoofDifferences = (
  { macspoofchk }: BridgeConfig,
  { spoofChecks }: AttachmentState,
): readonly string[] =>
  macspoofchk && new Set(spoofChecks.map(({ set }) => set)).size < 2
    ? ['the check of source MACs is missing']
    : []
