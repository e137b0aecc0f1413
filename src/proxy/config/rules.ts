import { parsePrefixLenient } from '#net/prefix.ts'
import { parseDuration } from '#runtime/duration.ts'
import { effectiveGates, gateProblems, LOGGING_ALPHA_GATE } from './feature-gates.ts'
import { isCidr } from './leaf.ts'

/** What the rules that join several fields look at. */
type Checked = {
  readonly featureGates: Readonly<Record<string, boolean>>
  readonly mode: string
  readonly configSyncPeriod: string
  readonly iptables: SyncPeriods
  readonly ipvs: SyncPeriods & {
    readonly excludeCIDRs: readonly string[]
    readonly tcpTimeout: string
    readonly tcpFinTimeout: string
    readonly udpTimeout: string
  }
  readonly nftables: SyncPeriods & { readonly masqueradeBit: number }
  readonly detectLocalMode: string
  readonly detectLocal: { readonly bridgeInterface: string; readonly interfaceNamePrefix: string }
  readonly clusterCIDR: string
  readonly nodePortAddresses: readonly string[]
  readonly logging: {
    readonly format: string
    readonly vmodule: readonly unknown[]
    readonly options: { readonly text: LogOptions; readonly json: LogOptions }
  }
}
type LogOptions = { readonly splitStream: boolean; readonly infoBufferSize: string }
type SyncPeriods = { readonly syncPeriod: string; readonly minSyncPeriod: string }

/** The path is written as `nodePortAddresses[0]`. */
export type RuleProblem = { readonly path: string; readonly message: string }

/** The checks of kube-proxy's validation that depend on more than one field, or on the mode. All problems, not the first. */
export function checkRules(config: Checked): readonly RuleProblem[] {
  return [
    ...gateProblems(config.featureGates).map(({ gate, message }) => ({
      path: `featureGates.${gate}`,
      message,
    })),
    ...checkSyncPeriods(config),
    ...checkMode(config),
    ...checkDetector(config),
    ...checkNodePortAddresses(config.nodePortAddresses),
    ...(ms(config.configSyncPeriod) > 0
      ? []
      : [{ path: 'configSyncPeriod', message: `${config.configSyncPeriod} is not above 0` }]),
    ...checkLogging(config),
  ]
}

/** Of both formats, whichever is used (component-base/logs/api/v1, Validate). */
function* checkLogging({ featureGates, logging }: Checked): Generator<RuleProblem> {
  if (logging.format === 'json' && logging.vmodule.length > 0) {
    yield { path: 'logging.vmodule', message: 'works with the format text only' }
  }
  if (effectiveGates(featureGates)[LOGGING_ALPHA_GATE]?.isOn) return
  const message = `needs the feature gate ${LOGGING_ALPHA_GATE}, which is off`
  for (const format of ['text', 'json'] as const) {
    const { splitStream, infoBufferSize } = logging.options[format]
    if (splitStream) yield { path: `logging.options.${format}.splitStream`, message }
    if (Number.parseFloat(infoBufferSize) !== 0) {
      yield { path: `logging.options.${format}.infoBufferSize`, message }
    }
  }
}

/** Only the section of the mode counts; no mode is iptables. */
function* checkSyncPeriods(config: Checked): Generator<RuleProblem> {
  const name =
    config.mode === 'ipvs' || config.mode === 'nftables' ? config.mode : ('iptables' as const)
  const { syncPeriod, minSyncPeriod } = config[name]
  if (ms(syncPeriod) <= 0) {
    yield { path: `${name}.syncPeriod`, message: `${syncPeriod} is not above 0` }
  }
  if (ms(minSyncPeriod) < 0) {
    yield { path: `${name}.minSyncPeriod`, message: `${minSyncPeriod} is below 0` }
  } else if (ms(minSyncPeriod) > ms(syncPeriod)) {
    const message = `${minSyncPeriod} is longer than syncPeriod (${syncPeriod})`
    yield { path: `${name}.minSyncPeriod`, message }
  }
}

function* checkMode({ mode, ipvs, nftables }: Checked): Generator<RuleProblem> {
  if (mode === 'nftables' && (nftables.masqueradeBit < 0 || nftables.masqueradeBit > 31)) {
    const message = `${nftables.masqueradeBit} is not between 0 and 31`
    yield { path: 'nftables.masqueradeBit', message }
  }
  if (mode !== 'ipvs') return
  for (const name of ['tcpTimeout', 'tcpFinTimeout', 'udpTimeout'] as const) {
    if (ms(ipvs[name]) < 0) yield { path: `ipvs.${name}`, message: `${ipvs[name]} is below 0` }
  }
  for (const [index, cidr] of ipvs.excludeCIDRs.entries()) {
    if (!isCidr(cidr)) yield { path: `ipvs.excludeCIDRs[${index}]`, message: notCidr(cidr) }
  }
}

function* checkDetector(config: Checked): Generator<RuleProblem> {
  const { detectLocalMode, detectLocal, clusterCIDR } = config
  if (detectLocalMode === 'BridgeInterface' && detectLocal.bridgeInterface === '') {
    yield {
      path: 'detectLocal.bridgeInterface',
      message: 'missing for detectLocalMode BridgeInterface',
    }
  }
  if (detectLocalMode === 'InterfaceNamePrefix' && detectLocal.interfaceNamePrefix === '') {
    yield {
      path: 'detectLocal.interfaceNamePrefix',
      message: 'missing for detectLocalMode InterfaceNamePrefix',
    }
  }
  for (const [field, name] of Object.entries(detectLocal)) {
    if (name !== '' && !isLinkName(name)) {
      const message = `${JSON.stringify(name)} is not the name of a network interface, nor the beginning of one`
      yield { path: `detectLocal.${field}`, message }
    }
  }
  if (detectLocalMode !== 'ClusterCIDR' || clusterCIDR === '') return
  const path = 'clusterCIDR'
  const cidrs = clusterCIDR.split(',')
  const wrong = cidrs.filter(cidr => !isCidr(cidr))
  if (wrong.length > 0) {
    yield* wrong.map(cidr => ({ path, message: notCidr(cidr) }))
  } else if (cidrs.length > 2) {
    yield { path, message: `${cidrs.length} CIDRs, at most one of each family` }
  } else if (
    new Set(cidrs.map(cidr => parsePrefixLenient(cidr.trim())?.family)).size < cidrs.length
  ) {
    yield { path, message: `'${clusterCIDR}' has two CIDRs of one family` }
  }
}

function* checkNodePortAddresses(list: readonly string[]): Generator<RuleProblem> {
  if (list.length === 1 && list[0] === 'primary') return
  for (const [index, entry] of list.entries()) {
    const path = `nodePortAddresses[${index}]`
    if (entry === 'primary') yield { path, message: "'primary' must be the only entry" }
    else if (!isCidr(entry)) yield { path, message: `${notCidr(entry)}, nor 'primary'` }
  }
}

/**
 * Can a link's name begin like this, and be written into rules? The kernel refuses some characters (dev_valid_name of
 * net/core/dev.c) and more than 15 bytes; quotes and wildcards mean something to nft and iptables.
 */
const isLinkName = (name: string): boolean =>
  /^(?![-!])[!-~]{1,15}$/.test(name) && !/[/:"'*+\\]/.test(name) && name !== '.' && name !== '..'

const notCidr = (text: string): string => `'${text}' is not a CIDR like 10.0.0.0/8`

const ms = (duration: string): number => parseDuration(duration) ?? 0
