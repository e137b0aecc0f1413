import { isDeepStrictEqual } from 'node:util'
import { parsePath } from '#runtime/config-file.ts'
import type { ConfigProblem } from '#runtime/error.ts'
import { defaultConfig, type ProxyConfig } from './schema.ts'

/**
 * What nodeplane does with a field: it acts on it; it will (`later`); or there is nothing to act on (`unused`), with the
 * reason. A field that it does not act on is warned about when it is set to anything but its default.
 */
export type Support =
  | { readonly state: 'works'; readonly note?: string }
  | { readonly state: 'later'; readonly note?: string }
  | { readonly state: 'unused'; readonly note: string }

const works: Support = { state: 'works' }
const later: Support = { state: 'later' }
const windows: Support = { state: 'unused', note: 'for Windows' }
const noMark: Support = { state: 'unused', note: 'nodeplane marks no packets' }
const eager: Support = { state: 'unused', note: 'a change is written at once' }
const ipvs: Support = { state: 'later', note: 'comes with mode ipvs' }
const json: Support = { state: 'unused', note: 'objects are read as JSON' }

/** Every field of the file but apiVersion and kind, in the file's order. */
export const support: Readonly<Record<string, Support>> = {
  featureGates: { state: 'unused', note: 'there are no gates' },
  'clientConnection.kubeconfig': works,
  'clientConnection.acceptContentTypes': json,
  'clientConnection.contentType': json,
  'clientConnection.qps': { state: 'unused', note: 'there are only a few long watches' },
  'clientConnection.burst': { state: 'unused', note: 'there are only a few long watches' },
  'logging.format': { state: 'unused', note: 'JSON, or lines for people on a terminal' },
  'logging.flushFrequency': { state: 'unused', note: 'lines are written at once' },
  'logging.verbosity': { state: 'works', note: '0 to 2 info, 3 to 5 debug, from 6 trace' },
  'logging.vmodule': later,
  'logging.options.text.splitStream': { state: 'unused', note: 'the log goes to stderr' },
  'logging.options.text.infoBufferSize': { state: 'unused', note: 'lines are written at once' },
  'logging.options.json.splitStream': { state: 'unused', note: 'the log goes to stderr' },
  'logging.options.json.infoBufferSize': { state: 'unused', note: 'lines are written at once' },
  hostnameOverride: works,
  bindAddress: { state: 'works', note: "replaces the node's address of its family" },
  healthzBindAddress: works,
  metricsBindAddress: works,
  bindAddressHardFail: works,
  enableProfiling: later,
  showHiddenMetricsForVersion: { state: 'unused', note: 'no metric is hidden' },
  mode: { state: 'works', note: 'nftables; for another mode, nftables with a warning' },
  'iptables.masqueradeBit': noMark,
  'iptables.masqueradeAll': { state: 'works', note: 'in every mode but nftables' },
  'iptables.localhostNodePorts': {
    state: 'later',
    note: 'node ports are not served on loopback addresses',
  },
  'iptables.syncPeriod': eager,
  'iptables.minSyncPeriod': eager,
  'ipvs.syncPeriod': ipvs,
  'ipvs.minSyncPeriod': ipvs,
  'ipvs.scheduler': ipvs,
  'ipvs.excludeCIDRs': ipvs,
  'ipvs.strictARP': ipvs,
  'ipvs.tcpTimeout': ipvs,
  'ipvs.tcpFinTimeout': ipvs,
  'ipvs.udpTimeout': ipvs,
  'nftables.masqueradeBit': noMark,
  'nftables.masqueradeAll': { state: 'works', note: 'in mode nftables' },
  'nftables.syncPeriod': eager,
  'nftables.minSyncPeriod': eager,
  'winkernel.networkName': windows,
  'winkernel.sourceVip': windows,
  'winkernel.enableDSR': windows,
  'winkernel.rootHnsEndpointName': windows,
  'winkernel.forwardHealthCheckVip': windows,
  detectLocalMode: {
    state: 'works',
    note: 'ClusterCIDR; for another mode no traffic counts as pod traffic, with a warning',
  },
  'detectLocal.bridgeInterface': later,
  'detectLocal.interfaceNamePrefix': later,
  clusterCIDR: works,
  nodePortAddresses: works,
  oomScoreAdj: later,
  'conntrack.maxPerCore': later,
  'conntrack.min': later,
  'conntrack.tcpEstablishedTimeout': later,
  'conntrack.tcpCloseWaitTimeout': later,
  'conntrack.tcpBeLiberal': later,
  'conntrack.udpTimeout': later,
  'conntrack.udpStreamTimeout': later,
  configSyncPeriod: { state: 'unused', note: 'watches need no resync' },
  portRange: { state: 'unused', note: 'kube-proxy ignores it too' },
  windowsRunAsService: windows,
}

/** One warning for each field that was set and is not acted on, or not in full. */
export function supportWarnings(config: ProxyConfig): readonly ConfigProblem[] {
  const defaults = defaultConfig()
  return [
    ...modeWarnings(config),
    ...Object.entries(support).flatMap(([field, { state, note }]) => {
      if (state === 'works') return []
      const value = valueAt(config, field)
      if (isDeepStrictEqual(value, valueAt(defaults, field))) return []
      const what = state === 'later' ? 'is not acted on yet' : 'has no effect'
      const why = note === undefined ? '' : ` (${note})`
      return [{ field, message: `${JSON.stringify(value)} ${what}${why}` }]
    }),
  ]
}

function* modeWarnings({ mode, detectLocalMode }: ProxyConfig): Generator<ConfigProblem> {
  // In every other respect the settings mean what they mean in that mode, so that a take-over changes nothing else.
  if (mode !== 'nftables') {
    const name = mode === '' ? "'' (in kube-proxy iptables)" : mode
    const message = `${name} is not supported: nftables is used, without node ports on loopback addresses`
    yield { field: 'mode', message }
  }
  if (detectLocalMode !== 'ClusterCIDR') {
    const message = `${detectLocalMode} is not supported: no traffic counts as pod traffic`
    yield { field: 'detectLocalMode', message }
  }
}

/** The value of a field by its path; undefined when it is not there. */
export function valueAt(config: unknown, field: string): unknown {
  return parsePath(field).reduce<unknown>(
    (value, part) => (value as Record<PropertyKey, unknown> | undefined)?.[part],
    config,
  )
}
