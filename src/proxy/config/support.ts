import { isDeepStrictEqual } from 'node:util'
import { parsePath } from '#runtime/config-file.ts'
import type { ConfigProblem } from '#runtime/error.ts'
import { proxyModes } from '../backends.ts'
import type { ProxyMode } from '../settings.ts'
import { gatesWithEffect } from './feature-gates.ts'
import { effectiveMode } from './mode.ts'
import { defaultConfig, type ProxyConfig } from './schema.ts'

/**
 * What nodeplane does with a field: it acts on it, perhaps in some modes only; or there is nothing to act on (`unused`),
 * with the reason. A field that it does not act on is warned about when it is set to anything but its default.
 */
export type Support =
  | {
      readonly state: 'works'
      readonly note?: string
      /** The modes that run with it. */
      readonly modes?: readonly ProxyMode[]
      /** It is of a section that is read when one of these was asked for, whatever mode runs; who asks for none means iptables. */
      readonly asked?: readonly ProxyMode[]
    }
  | { readonly state: 'unused'; readonly note: string }

const works: Support = { state: 'works' }
const windows: Support = { state: 'unused', note: 'for Windows' }
const eager: Support = { state: 'unused', note: 'a change is written at once' }
const patience = (asked: ProxyMode): Support => ({
  state: 'works',
  asked: [asked],
  note: 'rules are looked at this often where no event tells of changes; /livez allows a change twice this',
})
const ipvs: Support = { state: 'works', modes: ['ipvs'] }
const json: Support = { state: 'unused', note: 'objects are read as JSON' }
const conntrack: Support = { state: 'works', note: 'see Kernel settings' }

/** Every field of the file but apiVersion and kind, in the file's order. */
export const support: Readonly<Record<string, Support>> = {
  featureGates: { state: 'works', note: 'see Feature gates' },
  'clientConnection.kubeconfig': works,
  'clientConnection.acceptContentTypes': json,
  'clientConnection.contentType': json,
  'clientConnection.qps': { state: 'unused', note: 'there are only a few long watches' },
  'clientConnection.burst': { state: 'unused', note: 'there are only a few long watches' },
  'logging.format': { state: 'unused', note: 'JSON, or lines for people on a terminal' },
  'logging.flushFrequency': { state: 'unused', note: 'lines are written at once' },
  'logging.verbosity': { state: 'works', note: '0 to 2 info, 3 to 5 debug, from 6 trace' },
  'logging.vmodule': { state: 'unused', note: 'log lines have no Go file' },
  'logging.options.text.splitStream': { state: 'unused', note: 'the log goes to stderr' },
  'logging.options.text.infoBufferSize': { state: 'unused', note: 'lines are written at once' },
  'logging.options.json.splitStream': { state: 'unused', note: 'the log goes to stderr' },
  'logging.options.json.infoBufferSize': { state: 'unused', note: 'lines are written at once' },
  hostnameOverride: works,
  bindAddress: { state: 'works', note: "replaces the node's address of its family" },
  healthzBindAddress: works,
  metricsBindAddress: works,
  bindAddressHardFail: works,
  enableProfiling: { state: 'works', note: 'see HTTP' },
  showHiddenMetricsForVersion: { state: 'unused', note: 'no metric is hidden' },
  mode: { state: 'works', note: 'none means nftables, with a warning: kube-proxy takes iptables' },
  'iptables.masqueradeBit': { state: 'works', modes: ['iptables', 'ipvs'] },
  'iptables.masqueradeAll': { state: 'works', asked: ['iptables', 'ipvs'] },
  'iptables.localhostNodePorts': {
    state: 'works',
    modes: ['iptables', 'nftables'],
    note: 'where nodePortAddresses has loopback addresses',
  },
  'iptables.syncPeriod': patience('iptables'),
  'iptables.minSyncPeriod': eager,
  'ipvs.syncPeriod': patience('ipvs'),
  'ipvs.minSyncPeriod': eager,
  'ipvs.scheduler': ipvs,
  'ipvs.excludeCIDRs': ipvs,
  'ipvs.strictARP': ipvs,
  'ipvs.tcpTimeout': ipvs,
  'ipvs.tcpFinTimeout': ipvs,
  'ipvs.udpTimeout': ipvs,
  'nftables.masqueradeBit': { state: 'unused', note: 'nftables mode marks no packets' },
  'nftables.masqueradeAll': { state: 'works', asked: ['nftables'] },
  'nftables.syncPeriod': patience('nftables'),
  'nftables.minSyncPeriod': eager,
  'winkernel.networkName': windows,
  'winkernel.sourceVip': windows,
  'winkernel.enableDSR': windows,
  'winkernel.rootHnsEndpointName': windows,
  'winkernel.forwardHealthCheckVip': windows,
  detectLocalMode: works,
  'detectLocal.bridgeInterface': works,
  'detectLocal.interfaceNamePrefix': works,
  clusterCIDR: works,
  nodePortAddresses: works,
  oomScoreAdj: works,
  'conntrack.maxPerCore': conntrack,
  'conntrack.min': conntrack,
  'conntrack.tcpEstablishedTimeout': conntrack,
  'conntrack.tcpCloseWaitTimeout': conntrack,
  'conntrack.tcpBeLiberal': conntrack,
  'conntrack.udpTimeout': conntrack,
  'conntrack.udpStreamTimeout': conntrack,
  configSyncPeriod: { state: 'unused', note: 'watches need no resync' },
  portRange: { state: 'unused', note: 'kube-proxy ignores it too' },
  windowsRunAsService: windows,
}

/**
 * One warning for each field that was set and is not acted on, or not in full.
 * @param available modes that there are backends for.
 */
export function supportWarnings(
  config: ProxyConfig,
  available: readonly ProxyMode[] = proxyModes,
): readonly ConfigProblem[] {
  const defaults = defaultConfig()
  const mode = effectiveMode(config, available)
  return [
    ...modeWarnings(config, mode),
    ...gateWarnings(config),
    ...Object.entries(support).flatMap(([field, support]) => {
      const why = whyUnused(support, { mode, asked: config.mode })
      const value = valueAt(config, field)
      if (why === undefined || isDeepStrictEqual(value, valueAt(defaults, field))) return []
      return [{ field, message: `${JSON.stringify(value)} has no effect (${why})` }]
    }),
  ]
}

function whyUnused(
  support: Support,
  { mode, asked }: { readonly mode: ProxyMode; readonly asked: string },
): string | undefined {
  if (support.state === 'unused') return support.note
  if (support.modes?.includes(mode) === false) return `works in mode ${support.modes.join(' and ')}`
  if (support.asked?.some(name => name === (asked || 'iptables')) !== false) return undefined
  const none = asked === '' ? '; without a mode the section iptables counts' : ''
  return `works with mode: ${support.asked.join(' and ')}${none}`
}

function* modeWarnings({ mode }: ProxyConfig, effective: ProxyMode): Generator<ConfigProblem> {
  if (mode === effective) return
  // In every other respect the settings mean what they mean in that mode, so that a take-over changes nothing else.
  const why = mode === '' ? "'' (in kube-proxy iptables) means" : `${mode} is not there:`
  yield { field: 'mode', message: `${why} ${effective}` }
}

/** Gates that were set to something and are not looked at. */
const gateWarnings = ({ featureGates }: ProxyConfig): readonly ConfigProblem[] =>
  Object.entries(featureGates)
    .filter(([gate]) => !gatesWithEffect.includes(gate))
    .map(([gate, value]) => ({
      field: 'featureGates',
      message: `${gate}=${value} has no effect (nothing here goes by it)`,
    }))

/** The value of a field by its path; undefined when it is not there. */
export function valueAt(config: unknown, field: string): unknown {
  return parsePath(field).reduce<unknown>(
    (value, part) => (value as Record<PropertyKey, unknown> | undefined)?.[part],
    config,
  )
}
