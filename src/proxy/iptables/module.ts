import { type Iptables, IptablesError, installedIptables, openIptables } from '#linux/iptables.ts'
import {
  ensureSysctl,
  interfaceSysctl,
  readSysctl,
  SysctlError,
  sysctlPath,
} from '#linux/sysctl.ts'
import { familyOf, ipFamilies } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import { Pace } from '#runtime/pace.ts'
import type { Backend, BackendModule, BackendOptions, CleanupOptions } from '../backend.ts'
import { localDetector } from '../local-detector.ts'
import { IptablesBackend } from './backend.ts'
import { selectedAddresses, wantsLocalhostNodePorts } from './node-port-addresses.ts'
import { isOwnChain, planRemoval } from './removal.ts'
import { parseSaved } from './saved.ts'

/** Mode iptables: chains in the tables that kube-proxy uses. */
export const iptables: BackendModule = { open, cleanup }

const DEFAULT_MASQUERADE_BIT = 14
const DEFAULT_CHECK_PERIOD_MS = 30_000
const LIBERAL = sysctlPath('net', 'netfilter', 'nf_conntrack_tcp_be_liberal')
const ROUTE_LOCALNET = interfaceSysctl('ipv4', 'all', 'route_localnet')

async function open(options: BackendOptions): Promise<Backend> {
  const { family, settings, metrics, log, clock } = options
  const programs = await openIptables(family)
  log.info({ flavour: programs.flavour, version: programs.version }, 'using iptables')
  return new IptablesBackend({
    family,
    detector: localDetector(settings, family),
    masqueradeAll: settings.masqueradeAll,
    nodeIPs: (settings.nodeIPs ?? []).filter(ip => familyOf(ip) === family),
    masqueradeBit: settings.masqueradeBit ?? DEFAULT_MASQUERADE_BIT,
    dropsInvalid: !isLiberal(),
    hasLocalhostNodePorts: wantsLocalhostNodePorts(settings, family) && canRouteLocalhost(options),
    iptables: programs,
    nodePortAddresses: () => selectedAddresses(settings, family),
    metrics: metrics.iptables,
    clock,
    checkPeriodMs: settings.syncPeriodMs ?? DEFAULT_CHECK_PERIOD_MS,
  })
}

/** Does conntrack accept TCP segments outside the window, so that none of a Service's is INVALID? */
function isLiberal(): boolean {
  try {
    return readSysctl(LIBERAL) !== '0'
  } catch (error) {
    // Without conntrack loaded there is no such file; the kernel's default is no.
    if (error instanceof SysctlError) return false
    throw error
  }
}

/** Lets packets from 127.0.0.0/8 leave for endpoints. kube-proxy ends when it cannot; we serve all other addresses. */
function canRouteLocalhost({ log }: BackendOptions): boolean {
  try {
    if (ensureSysctl(ROUTE_LOCALNET, '1')) {
      log.info('set route_localnet so that node ports answer on localhost')
    }
    return true
  } catch (error) {
    if (!(error instanceof SysctlError)) throw error
    log.warn({ reason: describeError(error) }, 'node ports will not answer on localhost')
    return false
  }
}

/**
 * Chains and jumps bear the same names as kube-proxy's, which cannot be told from ours: we take them over. With
 * `foreignOnly` what is left in the other flavour goes, where a former kube-proxy may have had its rules.
 */
async function cleanup(
  { foreignOnly = false, log }: CleanupOptions,
  signal: AbortSignal,
): Promise<void> {
  const failures: unknown[] = []
  for (const family of ipFamilies) {
    const all = await installedIptables(family)
    if (all.length === 0) continue
    const inUse = foreignOnly ? (await openIptables(family)).flavour : undefined
    for (const programs of all) {
      if (programs.flavour === inUse) continue
      try {
        await removeFrom(programs, signal)
      } catch (error) {
        const { flavour } = programs
        log.warn({ flavour, family, reason: describeError(error) }, 'iptables clean-up failed')
        failures.push(error)
      }
    }
  }
  if (failures.length > 0) throw failures[0] as Error
}

async function removeFrom(programs: Iptables, signal: AbortSignal): Promise<void> {
  const saved = await parseSaved(await programs.save(signal), isOwnChain, new Pace())
  const { text, inUse } = planRemoval(saved)
  await programs.restore([text], signal)
  if (inUse.length > 0) {
    const names = inUse.join(', ')
    throw new IptablesError('iptables', `rules of others lead to these chains: ${names}`)
  }
}
