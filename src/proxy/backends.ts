import type { BackendModule } from './backend.ts'
import type { ProxyMode } from './settings.ts'

/**
 * Imported when its mode is used: what is not used costs no memory. In the order in which leftovers go: rules of ipvs lead
 * to chains that it has in common with iptables.
 */
const modules: Readonly<Partial<Record<ProxyMode, () => Promise<BackendModule>>>> = {
  ipvs: async () => (await import('./ipvs/module.ts')).ipvs,
  iptables: async () => (await import('./iptables/module.ts')).iptables,
  nftables: async () => (await import('./nftables/module.ts')).nftables,
}

/** The modes there are. */
export const proxyModes = Object.keys(modules) as readonly ProxyMode[]

/** The backend of a mode. @throws {Error} there is none. */
export async function loadBackend(mode: ProxyMode): Promise<BackendModule> {
  const load = modules[mode]
  if (load === undefined) throw new Error(`no backend for mode ${mode}`)
  return await load()
}
