import type { Logger } from '#runtime/log.ts'
import { loadBackend } from './backends.ts'
import { usableFamilies } from './config/families.ts'
import type { ProxyConfig } from './config/schema.ts'
import { settingsFrom } from './config/to-settings.ts'
import { addressesInUse } from './prepare.ts'
import { tuneOnly } from './tune.ts'

/**
 * Writes all sysctls that a proxy with this configuration needs, and nothing else: what a privileged init container does for
 * one that cannot write to /proc/sys (`--init-only`). It asks nobody for the Node: the sysctls do not depend on it, as long as
 * the machine has an address.
 * @throws {NodeplaneError} the kernel does not take what the mode needs or the configuration asks for.
 */
export async function initOnly(config: ProxyConfig, nodeName: string, log: Logger): Promise<void> {
  const families = usableFamilies()
  const facts = { nodeName, node: undefined, machineIPs: addressesInUse(), families }
  const settings = settingsFrom(config, facts)
  const module = await loadBackend(settings.mode ?? 'nftables')
  // IPVS, which is loaded here, brings conntrack and its settings.
  for (const family of families) await module.prepareKernel({ family, settings, log })
  tuneOnly(config, log)
}
