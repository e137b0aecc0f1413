import { InvalidArgumentError } from 'commander'

/** How the text of a flag becomes the value of a field. */
export type FlagKind = 'text' | 'number' | 'boolean' | 'list' | 'gates' | 'vmodule'

/** A flag of kube-proxy and the fields of the file that it sets. */
export type FieldFlag = {
  /** Without dashes. */
  readonly name: string
  readonly kind: FlagKind
  /** `iptables.masqueradeAll`; several when the mode decides which one counts. */
  readonly fields: readonly string[]
  /** Counts beside `--config` too, and wins. */
  readonly beside?: true
}

const set = (name: string, kind: FlagKind, ...fields: readonly string[]): FieldFlag => ({
  name,
  kind,
  fields,
})
const beside = (name: string, kind: FlagKind, field: string): FieldFlag => ({
  ...set(name, kind, field),
  beside: true,
})

/** kube-proxy 1.36's flags that stand for fields (cmd/kube-proxy/app/options.go). The file's order. */
export const fieldFlags: readonly FieldFlag[] = [
  set('feature-gates', 'gates', 'featureGates'),
  set('kubeconfig', 'text', 'clientConnection.kubeconfig'),
  set('kube-api-content-type', 'text', 'clientConnection.contentType'),
  set('kube-api-qps', 'number', 'clientConnection.qps'),
  set('kube-api-burst', 'number', 'clientConnection.burst'),
  beside('logging-format', 'text', 'logging.format'),
  beside('log-flush-frequency', 'text', 'logging.flushFrequency'),
  beside('v', 'number', 'logging.verbosity'),
  beside('vmodule', 'vmodule', 'logging.vmodule'),
  beside('log-text-split-stream', 'boolean', 'logging.options.text.splitStream'),
  beside('log-text-info-buffer-size', 'text', 'logging.options.text.infoBufferSize'),
  beside('log-json-split-stream', 'boolean', 'logging.options.json.splitStream'),
  beside('log-json-info-buffer-size', 'text', 'logging.options.json.infoBufferSize'),
  beside('hostname-override', 'text', 'hostnameOverride'),
  set('bind-address', 'text', 'bindAddress'),
  set('healthz-bind-address', 'text', 'healthzBindAddress'),
  set('metrics-bind-address', 'text', 'metricsBindAddress'),
  set('bind-address-hard-fail', 'boolean', 'bindAddressHardFail'),
  set('profiling', 'boolean', 'enableProfiling'),
  set('show-hidden-metrics-for-version', 'text', 'showHiddenMetricsForVersion'),
  set('proxy-mode', 'text', 'mode'),
  set('iptables-masquerade-bit', 'number', 'iptables.masqueradeBit'),
  set('masquerade-all', 'boolean', 'iptables.masqueradeAll', 'nftables.masqueradeAll'),
  set('iptables-localhost-nodeports', 'boolean', 'iptables.localhostNodePorts'),
  set('iptables-sync-period', 'text', 'iptables.syncPeriod', 'nftables.syncPeriod'),
  set('iptables-min-sync-period', 'text', 'iptables.minSyncPeriod', 'nftables.minSyncPeriod'),
  set('ipvs-sync-period', 'text', 'ipvs.syncPeriod'),
  set('ipvs-min-sync-period', 'text', 'ipvs.minSyncPeriod'),
  set('ipvs-scheduler', 'text', 'ipvs.scheduler'),
  set('ipvs-exclude-cidrs', 'list', 'ipvs.excludeCIDRs'),
  set('ipvs-strict-arp', 'boolean', 'ipvs.strictARP'),
  set('ipvs-tcp-timeout', 'text', 'ipvs.tcpTimeout'),
  set('ipvs-tcpfin-timeout', 'text', 'ipvs.tcpFinTimeout'),
  set('ipvs-udp-timeout', 'text', 'ipvs.udpTimeout'),
  set('detect-local-mode', 'text', 'detectLocalMode'),
  set('pod-bridge-interface', 'text', 'detectLocal.bridgeInterface'),
  set('pod-interface-name-prefix', 'text', 'detectLocal.interfaceNamePrefix'),
  set('cluster-cidr', 'text', 'clusterCIDR'),
  set('nodeport-addresses', 'list', 'nodePortAddresses'),
  set('oom-score-adj', 'number', 'oomScoreAdj'),
  set('conntrack-max-per-core', 'number', 'conntrack.maxPerCore'),
  set('conntrack-min', 'number', 'conntrack.min'),
  set('conntrack-tcp-timeout-established', 'text', 'conntrack.tcpEstablishedTimeout'),
  set('conntrack-tcp-timeout-close-wait', 'text', 'conntrack.tcpCloseWaitTimeout'),
  set('conntrack-tcp-be-liberal', 'boolean', 'conntrack.tcpBeLiberal'),
  set('conntrack-udp-timeout', 'text', 'conntrack.udpTimeout'),
  set('conntrack-udp-timeout-stream', 'text', 'conntrack.udpStreamTimeout'),
  set('config-sync-period', 'text', 'configSyncPeriod'),
]

/** Flags with an effect of their own; docs/proxy-config.md says which. */
export const otherFlags = [
  'config',
  'manifests',
  'write-config-to',
  'cleanup',
  'init-only',
  'dry-run',
  'master',
  'healthz-port',
  'metrics-port',
  'boot-id-file',
  'machine-id-file',
] as const

/**
 * The value that a field gets from the text of its flag; `before` is what an earlier use of the same flag gave.
 * @throws {InvalidArgumentError}
 */
export function parseFlag(kind: FlagKind, text: string, before: unknown): unknown {
  switch (kind) {
    case 'text':
      return text
    case 'number': {
      // pflag takes `-v=4`, which commander hands on as `=4`.
      const number = Number(text.replace(/^=/, '') || 'none')
      if (Number.isNaN(number)) throw new InvalidArgumentError(`'${text}' is not a number.`)
      return number
    }
    case 'boolean':
      return parseBoolean(text)
    case 'list':
      return [...((before as readonly string[] | undefined) ?? []), ...splitList(text)]
    case 'gates':
      return { ...(before as object | undefined), ...parseGates(text) }
    case 'vmodule':
      return [...((before as readonly unknown[] | undefined) ?? []), ...parseVmodule(text)]
  }
}

/** Go's strconv.ParseBool. */
export function parseBoolean(text: string): boolean {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false
  throw new InvalidArgumentError(`'${text}' is neither true nor false.`)
}

const splitList = (text: string): readonly string[] =>
  text.split(',').filter(part => part.trim() !== '')

function parseGates(text: string): Readonly<Record<string, boolean>> {
  return Object.fromEntries(
    splitList(text).map(part => {
      const [name = '', value = ''] = part.split('=', 2)
      return [name.trim(), parseBoolean(value.trim())]
    }),
  )
}

function parseVmodule(text: string): readonly object[] {
  return splitList(text).map(part => {
    const [filePattern = '', level = ''] = part.split('=', 2)
    if (!/^[0-9]+$/.test(level)) {
      throw new InvalidArgumentError(`'${part}' is not PATTERN=LEVEL.`)
    }
    return { filePattern: filePattern.trim(), verbosity: Number(level) }
  })
}
