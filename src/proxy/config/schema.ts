import * as z from 'zod'
import { formatHostPort, type IpAddress } from '#net/ip.ts'
import { parsePath } from '#runtime/config-file.ts'
import {
  address,
  addressWithPort,
  duration,
  orDefault,
  orDefaultIfZero,
  positiveDuration,
  section,
} from './leaf.ts'
import { checkRules } from './rules.ts'

export const API_VERSION = 'kubeproxy.config.k8s.io/v1alpha1'
export const KIND = 'KubeProxyConfiguration'

/** kube-proxy's ports (pkg/cluster/ports). */
export const HEALTHZ_PORT = 10256
export const METRICS_PORT = 10249

/** The only version whose hidden metrics can be shown: the minor version before ours (Kubernetes 1.36). */
const PREVIOUS_MINOR = '1.35'

const text = orDefault(z.string(), '')
const flag = orDefault(z.boolean(), false)
const atLeastZero = z.number().int().min(0)
const masqueradeBit = orDefault(z.number().int(), 14)

const logging = section({
  format: orDefaultIfZero(z.enum(['', 'text', 'json']), 'text'),
  // A number counts nanoseconds (component-base, TimeOrMetaDuration).
  flushFrequency: orDefaultIfZero(
    z.union([z.number().transform(ns => `${ns}ns`), z.string()]).pipe(duration),
    '5s',
  ),
  verbosity: orDefault(atLeastZero, 0),
  vmodule: orDefault(
    z.array(z.strictObject({ filePattern: z.string().min(1), verbosity: atLeastZero })),
    [],
  ),
  options: section({
    text: section({ splitStream: flag, infoBufferSize: orDefault(quantity(), '0') }),
    json: section({ splitStream: flag, infoBufferSize: orDefault(quantity(), '0') }),
  }),
})

/**
 * How kube-proxy 1.36 reads a KubeProxyConfiguration (pkg/proxy/apis/config: v1alpha1/defaults.go and validation). The
 * result has every field. Unlike kube-proxy, which logs unknown and duplicate fields, reading with this schema refuses them.
 * @param zero what zero and empty mean where Go cannot tell them from a missing field: the default in a file, themselves
 *   on the command line.
 */
export const createSchema = (zero: 'is the default' | 'is a value') => {
  const orZero = zero === 'is the default' ? orDefaultIfZero : orDefault
  const period = (value: string) => orZero(duration, value)
  return z
    .strictObject({
      apiVersion: z.literal(API_VERSION),
      kind: z.literal(KIND),
      featureGates: orDefault(z.record(z.string(), z.boolean()), {}),
      clientConnection: section({
        kubeconfig: text,
        acceptContentTypes: text,
        contentType: orDefaultIfZero(z.string(), 'application/vnd.kubernetes.protobuf'),
        qps: orZero(z.number(), 5),
        burst: orZero(atLeastZero, 10),
      }),
      logging,
      hostnameOverride: orDefault(z.string().trim().toLowerCase(), ''),
      bindAddress: orDefaultIfZero(z.string(), '0.0.0.0').pipe(address),
      healthzBindAddress: orDefault(addressWithPort(HEALTHZ_PORT), ''),
      metricsBindAddress: orDefault(addressWithPort(METRICS_PORT), ''),
      bindAddressHardFail: flag,
      enableProfiling: flag,
      showHiddenMetricsForVersion: orDefault(z.enum(['', PREVIOUS_MINOR]), ''),
      mode: orDefault(z.enum(['', 'iptables', 'ipvs', 'nftables']), ''),
      iptables: section({
        masqueradeBit: masqueradeBit.pipe(z.number().min(0).max(31)),
        masqueradeAll: flag,
        localhostNodePorts: orDefault(z.boolean(), true),
        syncPeriod: period('30s'),
        minSyncPeriod: period('1s'),
      }),
      ipvs: section({
        syncPeriod: period('30s'),
        minSyncPeriod: orDefault(duration, '0s'),
        scheduler: orDefaultIfZero(z.string(), 'rr'),
        excludeCIDRs: orDefault(z.array(z.string()), []),
        strictARP: flag,
        tcpTimeout: orDefault(duration, '0s'),
        tcpFinTimeout: orDefault(duration, '0s'),
        udpTimeout: orDefault(duration, '0s'),
      }),
      nftables: section({
        masqueradeBit,
        masqueradeAll: flag,
        syncPeriod: period('30s'),
        minSyncPeriod: period('1s'),
      }),
      winkernel: section({
        networkName: text,
        sourceVip: text,
        enableDSR: flag,
        rootHnsEndpointName: text,
        forwardHealthCheckVip: flag,
      }),
      detectLocalMode: orDefaultIfZero(
        z.enum(['', 'ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix']),
        'ClusterCIDR',
      ),
      detectLocal: section({ bridgeInterface: text, interfaceNamePrefix: text }),
      clusterCIDR: text,
      nodePortAddresses: orDefault(z.array(z.string()), []),
      oomScoreAdj: orDefault(z.number().int().min(-1000).max(1000), -999),
      conntrack: section({
        maxPerCore: orDefault(atLeastZero, 32768),
        min: orDefault(atLeastZero, 131072),
        tcpEstablishedTimeout: orDefault(positiveDuration, '24h0m0s'),
        tcpCloseWaitTimeout: orDefault(positiveDuration, '1h0m0s'),
        tcpBeLiberal: flag,
        udpTimeout: orDefault(positiveDuration, '0s'),
        udpStreamTimeout: orDefault(positiveDuration, '0s'),
      }),
      configSyncPeriod: period('15m0s'),
      portRange: text,
      windowsRunAsService: flag,
    })
    .superRefine((config, context) => {
      for (const { path, message } of checkRules(config)) {
        context.addIssue({ code: 'custom', path: [...parsePath(path)], message })
      }
    })
    .transform(withServerAddresses)
}

/** A KubeProxyConfiguration with every field filled in. Durations are in Go's notation. */
export type ProxyConfig = z.output<ReturnType<typeof createSchema>>

/** The configuration of an empty file. */
export const defaultConfig = (): ProxyConfig =>
  createSchema('is the default').parse({ apiVersion: API_VERSION, kind: KIND })

/** An amount of bytes, as a number or in Kubernetes' notation (`64Mi`); comes out as text. */
function quantity() {
  return z
    .union([z.number(), z.string().regex(/^[0-9.]+([numkMGTPE]|[KMGTPE]i)?$/)])
    .transform(String)
}

/** The health server answers everyone, the metrics server this node, each in the family of the bind address. */
function withServerAddresses<
  Config extends {
    readonly bindAddress: IpAddress
    readonly healthzBindAddress: string
    readonly metricsBindAddress: string
  },
>(config: Config): Config {
  const is6 = config.bindAddress.includes(':')
  const [any, loopback] = (is6 ? ['::', '::1'] : ['0.0.0.0', '127.0.0.1']) as [IpAddress, IpAddress]
  return {
    ...config,
    healthzBindAddress: config.healthzBindAddress || formatHostPort(any, HEALTHZ_PORT),
    metricsBindAddress: config.metricsBindAddress || formatHostPort(loopback, METRICS_PORT),
  }
}
