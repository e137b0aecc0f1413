import type { Node } from '#cluster/objects.ts'
import { hostAddresses } from '#net/host-addresses.ts'
import { isLinkLocal } from '#net/ip.ts'
import type { Logger } from '#runtime/log.ts'
import { loadBackend } from './backends.ts'
import { usableFamilies } from './config/families.ts'
import type { ProxyConfig } from './config/schema.ts'
import { settingsFrom } from './config/to-settings.ts'
import { tuneOnly } from './tune.ts'

/**
 * Writes all sysctls that a proxy with this configuration needs, and nothing else: what a privileged init container does for
 * one that cannot write to /proc/sys (`--init-only`). It asks nobody for the Node: of it the sysctls depend only on whether it
 * has an address, and then the machine has one.
 * @throws {NodeplaneError} the kernel does not take what the mode needs or the configuration asks for.
 */
export async function initOnly(config: ProxyConfig, nodeName: string, log: Logger): Promise<void> {
  const families = usableFamilies()
  const settings = settingsFrom(config, { nodeName, node: thisMachine(nodeName), families })
  const module = await loadBackend(settings.mode ?? 'nftables')
  // IPVS, which is loaded here, brings conntrack and its settings.
  for (const family of families) await module.prepareKernel({ family, settings, log })
  tuneOnly(config, log)
}

function thisMachine(name: string): Node {
  const addresses = hostAddresses()
    .filter(({ address, isOnLoopback }) => !isOnLoopback && !isLinkLocal(address))
    .map(({ address }) => ({ type: 'InternalIP', address }))
  return {
    kind: 'Node',
    metadata: { namespace: '', name, labels: {} },
    addresses,
    podCIDRs: [],
    taints: [],
    deleting: false,
  }
}
