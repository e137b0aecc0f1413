import type { BackendModule } from './backend.ts'
import type { ProxyMode } from './settings.ts'

/** Imported when its mode is used: what is not used costs no memory. */
const modules: Readonly<Partial<Record<ProxyMode, () => Promise<BackendModule>>>> = {
  iptables: async () => (await import('./iptables/module.ts')).iptables,
  ipvs: async () => (await import('./ipvs/module.ts')).ipvs,
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
