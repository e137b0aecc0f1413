import { execFileSync } from 'node:child_process'
import { Ipvs } from '#linux/ipvs.ts'
import { isNotFound } from '#linux/netlink/error.ts'
import { silentLogger } from '#runtime/log.ts'
import { loadBackend } from '../../src/proxy/backends.ts'
import type { ProxyMode } from '../../src/proxy/settings.ts'
import { changeIptablesShape, loadIptablesShape } from './iptables-shape.ts'
import { perEndpointFloor, perServiceFloor } from './kube-shape.ts'

const NEVER = new AbortController().signal

/** Rules in the shape of kube-proxy's, written without any proxy: what that shape costs at the least. */
export type Floor = {
  readonly load: (services: number) => void
  /** The endpoint of the last Service becomes another port of this machine. */
  readonly change: (services: number, port: number) => void
}

/** A mode of ours and its floor, if there is one: IPVS has one shape only. */
export type Contestant = {
  readonly mode: ProxyMode
  readonly flavour?: 'nft' | 'legacy'
  readonly floor?: Floor
}

const iptables = (flavour: 'nft' | 'legacy'): Contestant => ({
  mode: 'iptables',
  flavour,
  floor: {
    load: services => loadIptablesShape(flavour, services),
    change: (services, port) => changeIptablesShape(flavour, services, port),
  },
})

export const contestants = {
  nftables: { mode: 'nftables', floor: perEndpointFloor },
  /** The same beside the shape of late kube-proxies. */
  'nftables-per-service': { mode: 'nftables', floor: perServiceFloor },
  'iptables-nft': iptables('nft'),
  'iptables-legacy': iptables('legacy'),
  ipvs: { mode: 'ipvs' },
} as const satisfies Readonly<Record<string, Contestant>>
export type ContestantName = keyof typeof contestants

/** Why this machine cannot run one; undefined when it can. */
export async function obstacleTo({ mode }: Contestant): Promise<string | undefined> {
  if (mode !== 'ipvs') return undefined
  try {
    using _ipvs = await Ipvs.open()
    return undefined
  } catch (error) {
    if (isNotFound(error)) return 'the kernel has no ip_vs'
    throw error
  }
}

/** Takes all rules out of the kernel, then says which flavour of iptables is in use, as a kubelet would. */
export async function emptyKernel({ mode, flavour }: Contestant): Promise<void> {
  if (mode === 'ipvs') await (await loadBackend(mode)).cleanup({ log: silentLogger() }, NEVER)
  execFileSync('nft', ['flush', 'ruleset'])
  for (const table of ['filter', 'nat', 'mangle']) {
    for (const action of ['-F', '-X']) execFileSync('iptables-legacy', ['-t', table, action])
  }
  if (flavour !== undefined) {
    execFileSync(`iptables-${flavour}`, ['-t', 'mangle', '-N', 'KUBE-IPTABLES-HINT'])
  }
}
