import { formatPrefix, type IpPrefix } from '#net/prefix.ts'
import { describeError } from '#runtime/error.ts'
import { configObjectFrom, objectsField, stringField } from '../spec/config-object.ts'
import { isCniName } from '../spec/environment.ts'

/** What a generated configuration is made of. */
export type PodNetwork = {
  /** This node's podCIDRs, one for each family. */
  readonly podCidrs: readonly IpPrefix[]
  /** undefined: the kernel's default. */
  readonly mtu: number | undefined
  /** The plugins there are executables for. */
  readonly plugins: readonly string[]
}

/** Plugins that follow bridge in the chain, where there are executables of them. */
const chained: readonly { readonly type: string; readonly capabilities: object }[] = [
  { type: 'portmap', capabilities: { portMappings: true } },
  { type: 'bandwidth', capabilities: { bandwidth: true } },
]

/**
 * The network list of a node of a Kubernetes cluster: a bridge with this node's podCIDRs. Not with ipMasq: it would hide a
 * pod behind its node from the pods of other nodes, whose podCIDRs the plugin does not know.
 */
export function renderConflist({ podCidrs, mtu, plugins }: PodNetwork): string {
  const bridge = {
    type: 'bridge',
    bridge: 'cni0',
    isDefaultGateway: true,
    hairpinMode: true,
    ipMasq: false,
    ...(mtu === undefined ? {} : { mtu }),
    ipam: {
      type: 'host-local',
      // A reboot empties /run, as it ends the pods: no address stays taken.
      dataDir: '/run/nodeplane/networks',
      ranges: podCidrs.map(subnet => [{ subnet: formatPrefix(subnet) }]),
    },
  }
  const list = {
    // The newest version that every runtime in use understands, and the newest we do.
    cniVersion: '1.0.0',
    cniVersions: ['0.4.0', '1.0.0', '1.1.0'],
    name: 'nodeplane',
    plugins: [bridge, ...chained.filter(({ type }) => plugins.includes(type))],
  }
  return `${JSON.stringify(list, undefined, 2)}\n`
}

/**
 * The same list with these ranges in every `ipam` of host-local that names none: one file then serves all nodes.
 * @param text a network list (see {@link whyNoConflist}).
 */
export function withRanges(text: string, podCidrs: readonly IpPrefix[]): string {
  if (podCidrs.length === 0) return text
  const list = JSON.parse(text) as NetworkList
  const ranges = podCidrs.map(subnet => [{ subnet: formatPrefix(subnet) }])
  const plugins = list.plugins.map(plugin => {
    return isOpen(plugin) ? { ...plugin, ipam: { ...plugin.ipam, ranges } } : plugin
  })
  return `${JSON.stringify({ ...list, plugins }, undefined, 2)}\n`
}

/** Has the list a place for {@link withRanges}? */
export const lacksRanges = (text: string): boolean =>
  (JSON.parse(text) as NetworkList).plugins.some(isOpen)

type NetworkList = { readonly plugins: readonly Plugin[] }
type Plugin = { readonly ipam?: Readonly<Record<string, unknown>> }

const isOpen = ({ ipam }: Plugin): boolean =>
  ipam?.['type'] === 'host-local' && !('ranges' in ipam || 'subnet' in ipam)

/** Why a text is no network list that a runtime could use (spec 1.1.0, section 1); undefined when it is one. */
export function whyNoConflist(text: string): string | undefined {
  try {
    const list = configObjectFrom(JSON.parse(text), 'the list')
    if (!isCniName(stringField(list, 'name') ?? '')) return 'name: must name the network'
    const plugins = objectsField(list, 'plugins')
    if (plugins.length === 0) return 'plugins: must hold at least one plugin'
    const nameless = plugins.find(plugin => (stringField(plugin, 'type') ?? '') === '')
    return nameless && `${nameless.path}.type: must name a plugin`
  } catch (error) {
    return describeError(error)
  }
}
