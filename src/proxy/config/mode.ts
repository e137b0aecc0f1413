import type { ProxyMode } from '../settings.ts'
import type { ProxyConfig } from './schema.ts'

/** The mode of those who ask for none, or for one that is not there. */
const DEFAULT_MODE: ProxyMode = 'nftables'

/**
 * The mode that programs the kernel: the one asked for where there is a backend for it. No mode means nftables, where
 * kube-proxy takes iptables: what that changes is what nobody sees but by its speed.
 */
export const effectiveMode = (
  { mode }: Pick<ProxyConfig, 'mode'>,
  available: readonly ProxyMode[],
): ProxyMode => available.find(name => name === mode) ?? DEFAULT_MODE
