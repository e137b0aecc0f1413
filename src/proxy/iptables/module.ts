import { type Iptables, openIptables } from '#linux/iptables.ts'
import { usedIptables } from '#linux/iptables-tables.ts'
import { NftMonitor } from '#linux/nft-monitor.ts'
import {
  ensureSysctl,
  interfaceSysctl,
  readSysctl,
  SysctlError,
  sysctlPath,
} from '#linux/sysctl.ts'
import { XtablesSocket } from '#linux/xtables-info.ts'
import { familyOf, ipFamilies } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import { Failures } from '#runtime/failures.ts'
import type { Logger } from '#runtime/log.ts'
import { Pace } from '#runtime/pace.ts'
import type {
  Backend,
  BackendModule,
  BackendOptions,
  CleanupOptions,
  ServiceStates,
} from '../backend.ts'
import { localDetector } from '../local-detector.ts'
import { IptablesBackend } from './backend.ts'
import { ensureCounters, hasCounters, packetsOf, removeCounters } from './counters.ts'
import { describeRules, diffRules } from './describe.ts'
import type { FixedOptions } from './fixed.ts'
import { LegacyWatch } from './legacy-watch.ts'
import { isLoss } from './loss.ts'
import { selectedAddresses, wantsLocalhostNodePorts } from './node-port-addresses.ts'
import type { PortRulesOptions } from './port-rules.ts'
import { isOwnChain, planRemoval } from './removal.ts'
import { removeChains } from './remove-chains.ts'
import { parseSaved, type Saved } from './saved.ts'
import { type WantedRules, wantedRules } from './wanted.ts'

/** Mode iptables: chains in the tables that kube-proxy uses. */
export const iptables: BackendModule = {
  open,
  cleanup,
  async *describe(options, states) {
    yield* describeRules(wanted(options, states, await hasCounters()), options.family)
  },
  async diff(options, states, signal) {
    const { family } = options
    const text = await (await openIptables(family)).save(signal)
    // No chain is to be kept as a digest only.
    const saved = await parseSaved(text, () => false, new Pace())
    return diffRules(wanted(options, states, await hasCounters()), saved, family)
  },
}

const DEFAULT_MASQUERADE_BIT = 14
const DEFAULT_CHECK_PERIOD_MS = 30_000
/** For the lock, which others may hold. */
const PROBE_TIMEOUT_MS = 30_000
const LIBERAL = sysctlPath('net', 'netfilter', 'nf_conntrack_tcp_be_liberal')
const ROUTE_LOCALNET = interfaceSysctl('ipv4', 'all', 'route_localnet')

async function open(options: BackendOptions): Promise<Backend> {
  const { family, settings, metrics, log, clock } = options
  let monitor: NftMonitor | undefined
  const programs = await openIptables(family, {
    onWrite: pid => monitor?.ignore(pid),
    timeoutMs: settings.programTimeoutMs,
  })
  const { flavour, version } = programs
  if (flavour === 'nft') monitor = orWarn(log, () => NftMonitor.open({ family, concerns: isLoss }))
  const sizes = flavour === 'nft' ? undefined : orWarn(log, () => openLegacyWatch(options))
  log.info({ flavour, version }, 'using iptables')
  const counts = await ensureCounters(programs, AbortSignal.timeout(PROBE_TIMEOUT_MS))
  if (counts) metrics.iptables.countPackets(packetsOf)
  const rules = ruleOptions(options, counts)
  return new IptablesBackend({
    ...rules,
    hasLocalhostNodePorts: rules.hasLocalhostNodePorts && canRouteLocalhost(options),
    iptables: sizes === undefined ? programs : watched(programs, sizes),
    nodePortAddresses: () => selectedAddresses(settings, family),
    metrics: metrics.iptables,
    clock,
    watch: monitor ?? sizes,
    checkPeriodMs: settings.syncPeriodMs ?? DEFAULT_CHECK_PERIOD_MS,
  })
}

function wanted(options: BackendOptions, states: ServiceStates, counts: boolean): WantedRules {
  const nodePortAddresses = selectedAddresses(options.settings, options.family)
  return wantedRules({ ...ruleOptions(options, counts), nodePortAddresses }, states)
}

const ruleOptions = (
  { family, settings }: BackendOptions,
  counts: boolean,
): PortRulesOptions & FixedOptions => ({
  family,
  detector: localDetector(settings, family),
  masqueradeAll: settings.masqueradeAll,
  nodeIPs: (settings.nodeIPs ?? []).filter(ip => familyOf(ip) === family),
  masqueradeBit: settings.masqueradeBit ?? DEFAULT_MASQUERADE_BIT,
  dropsInvalid: !isLiberal(),
  hasLocalhostNodePorts: wantsLocalhostNodePorts(settings, family),
  hasCounters: counts,
  countsLocalhost: counts && wantsLocalhostNodePorts(settings, family),
})

/** Without a watch chains that are lost are found periodically. */
function orWarn<T>(log: Logger, open: () => T): T | undefined {
  try {
    return open()
  } catch (error) {
    log.warn({ reason: describeError(error) }, 'changes by others will be noticed later')
    return undefined
  }
}

function openLegacyWatch({ family, clock }: BackendOptions): LegacyWatch {
  const socket = new XtablesSocket(family)
  const close = () => socket[Symbol.dispose]()
  return new LegacyWatch({ read: table => socket.read(table), close, clock })
}

/** The programs, whose writes the watch takes for ours. */
const watched = (programs: Iptables, watch: LegacyWatch): Iptables => ({
  ...programs,
  async restore(text, signal) {
    using _writing = watch.write()
    await programs.restore(text, signal)
  },
})

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
 * Chains and jumps bear the same names as kube-proxy's, which cannot be told from ours: we take them over. When this mode
 * is in use (and `foreignOnly` says that it may be) what goes is that in the other flavour, where a former kube-proxy may
 * have had its rules.
 */
async function cleanup(
  { inUse, foreignOnly = false }: CleanupOptions,
  signal: AbortSignal,
): Promise<void> {
  const user = foreignOnly ? 'iptables' : inUse
  const failures = new Failures(signal)
  for (const family of ipFamilies) {
    for (const programs of await usedIptables(family)) {
      const { flavour } = programs
      await failures.collect(async () => {
        // Mode nftables has nothing in common with this one.
        const mayUse = user === 'iptables' || user === 'ipvs'
        const isUsed = mayUse && (await openIptables(family)).flavour === flavour
        if (isUsed && user === 'iptables') return
        const plan = (saved: Saved) => planRemoval(saved, isUsed ? user : undefined)
        await removeChains(programs, { isOurs: isOwnChain, plan }, signal)
      }, `IPv${family} ${flavour}`)
    }
  }
  if (user !== 'iptables') await removeCounters()
  failures.throw()
}
