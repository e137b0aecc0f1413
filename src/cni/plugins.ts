import { CniError, cniCodes } from './spec/error.ts'
import type { CniPlugin } from './spec/plugin.ts'

/** Plugins by the name of their executable, loaded when called: host-local must not pay for netlink. */
const plugins: Readonly<Record<string, () => Promise<CniPlugin>>> = {
  bandwidth: async () => (await import('./bandwidth/bandwidth.ts')).bandwidth,
  bridge: async () => (await import('./bridge/bridge.ts')).bridge,
  firewall: async () => (await import('./firewall/firewall.ts')).firewall,
  'host-local': async () => (await import('./host-local/host-local.ts')).hostLocal,
  loopback: async () => (await import('./loopback/loopback.ts')).loopback,
  portmap: async () => (await import('./portmap/portmap.ts')).portmap,
  tuning: async () => (await import('./tuning/tuning.ts')).tuning,
  vrf: async () => (await import('./vrf/vrf.ts')).vrf,
  ptp: async () => (await import('./ptp/ptp.ts')).ptp,
  sbr: async () => (await import('./sbr/sbr.ts')).sbr,
  static: async () => (await import('./static/static.ts')).staticIpam,
}

/** The names of all plugins: what the build makes executables for. */
export const pluginNames: readonly string[] = Object.keys(plugins)

/** Is there a plugin of this name? */
export const isPluginName = (name: string): boolean => Object.hasOwn(plugins, name)

/** The plugin of this name. @throws {CniError} code 7, naming those there are. */
export async function loadPlugin(name: string): Promise<CniPlugin> {
  const load = isPluginName(name) ? plugins[name] : undefined
  if (load !== undefined) return await load()
  throw new CniError(
    cniCodes.invalidConfig,
    `no CNI plugin '${name}' in nodeplane: there are ${pluginNames.join(', ')}`,
  )
}
