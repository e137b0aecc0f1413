import type { CniPlugin } from './spec/plugin.ts'

/** Plugins by the name of their executable, loaded when called: host-local must not pay for netlink. */
export const plugins: Readonly<Record<string, () => Promise<CniPlugin>>> = {}
