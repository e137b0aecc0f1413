import type { IpAddress } from '#net/ip.ts'

/** The kubelet's settings of these names. */
export type KubeletDns = {
  readonly clusterDns: readonly IpAddress[]
  readonly clusterDomain: string
  /** A path; empty for none. */
  readonly resolvConf: string
}
