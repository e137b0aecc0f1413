import { isOwnChain } from './iptables/removal.ts'
import { ownChains, tables } from './ipvs/iptables-render.ts'

const ofIpvs = new Set(tables.flatMap(table => ownChains(table).map(chain => `${table} ${chain}`)))

/** Is this chain (`table chain`) of a proxy, ours or kube-proxy's, in mode iptables or ipvs? */
export const isServiceChain = (chain: string): boolean => isOwnChain(chain) || ofIpvs.has(chain)
