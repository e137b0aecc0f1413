import type { CniPlugin } from './spec/plugin.ts'

/** Plugins by the name of their executable, loaded when called: host-local must not pay for netlink. */
export const plugins: Readonly<Record<string, () => Promise<CniPlugin>>> = {
  'host-local': async () => (await import('./host-local/host-local.ts')).hostLocal,
}
