import { type Iptables, openIptables } from '#linux/iptables.ts'
import { usedIptables } from '#linux/iptables-tables.ts'
import { NftMonitor } from '#linux/nft-monitor.ts'
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
  PrepareKernelOptions,
  ServiceStates,
} from '../backend.ts'
import { dropsInvalid } from '../invalid-segments.ts'
import { localDetector } from '../local-detector.ts'
import { isLocalhostRouted, LOCALHOST_NOTE, routeLocalhost } from '../route-localnet.ts'
import { IptablesBackend } from './backend.ts'
import { ensureCounters, hasCounters, packetsOf, removeCounters } from './counters.ts'
import { describeRules, diffRules } from './describe.ts'
import type { FixedOptions } from './fixed.ts'
import { LegacyWatch } from './legacy-watch.ts'
import { isLoss } from './loss.ts'
import { nodePortAddressesOf, wantsLocalhostNodePorts } from './node-port-addresses.ts'
import type { PortRulesOptions } from './port-rules.ts'
import { isOwnChain, planRemoval } from './removal.ts'
import { removeChains } from './remove-chains.ts'
import { parseSaved, type Saved } from './saved.ts'
import { type WantedRules, wantedRules } from './wanted.ts'

/** Mode iptables: chains in the tables that kube-proxy uses. */
export const iptables: BackendModule = {
  async prepareKernel(options) {
    routesLocalhost(options, () => routeLocalhost(options.log))
  },
  open,
  hasLocalhostNodePorts: wantsLocalhostNodePorts,
  cleanup,
  async *describe(options, states) {
    const hasLocalhost = routesLocalhost(options, () => true)
    const rules = ruleOptions(options, {
      counts: await hasCounters(),
      hasLocalhostNodePorts: hasLocalhost,
    })
    if (hasLocalhost) yield LOCALHOST_NOTE
    yield* describeRules(wanted(options, states, rules), options.family)
  },
  async diff(options, states, signal) {
    const { family } = options
    const text = await (await openIptables(family)).save(signal)
    // No chain is to be kept as a digest only.
    const saved = await parseSaved(text, () => false, new Pace())
    const rules = ruleOptions(options, {
      counts: await hasCounters(),
      hasLocalhostNodePorts: routesLocalhost(options, isLocalhostRouted),
    })
    return diffRules(wanted(options, states, rules), saved, family)
  },
}

const DEFAULT_MASQUERADE_BIT = 14
const DEFAULT_CHECK_PERIOD_MS = 30_000
/** For the lock, which others may hold. */
const PROBE_TIMEOUT_MS = 30_000

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
  const hasLocalhost = routesLocalhost(options, () => routeLocalhost(log))
  return new IptablesBackend({
    ...ruleOptions(options, { counts, hasLocalhostNodePorts: hasLocalhost }),
    iptables: sizes === undefined ? programs : watched(programs, sizes),
    nodePortAddresses: () => nodePortAddressesOf(settings, family),
    metrics: metrics.iptables,
    clock,
    watch: monitor ?? sizes,
    checkPeriodMs: settings.syncPeriodMs ?? DEFAULT_CHECK_PERIOD_MS,
  })
}

type RuleOptions = PortRulesOptions & FixedOptions

function wanted(
  { family, settings }: BackendOptions,
  states: ServiceStates,
  rules: RuleOptions,
): WantedRules {
  const nodePortAddresses = nodePortAddressesOf(settings, family)
  return wantedRules({ ...rules, nodePortAddresses }, states)
}

const routesLocalhost = (
  { family, settings }: PrepareKernelOptions,
  canRoute: () => boolean,
): boolean => wantsLocalhostNodePorts(settings, family) && canRoute()

/** What the settings and the machine say; `counts`: there are counters of packets. */
const ruleOptions = (
  { family, settings }: BackendOptions,
  { counts, hasLocalhostNodePorts }: { counts: boolean; hasLocalhostNodePorts: boolean },
): RuleOptions => ({
  family,
  detector: localDetector(settings, family),
  masqueradeAll: settings.masqueradeAll,
  nodeIPs: (settings.nodeIPs ?? []).filter(ip => familyOf(ip) === family),
  masqueradeBit: settings.masqueradeBit ?? DEFAULT_MASQUERADE_BIT,
  dropsInvalid: dropsInvalid(settings),
  hasLocalhostNodePorts,
  hasCounters: counts,
  countsLocalhost: counts && hasLocalhostNodePorts,
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
