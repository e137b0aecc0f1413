import type { IpAddress } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'

/**
 * The answer to ADD, in the shape of CNI 1.1.0, whatever version is printed. The version that the configuration asks
 * for is made of it at the edge (result-json.ts), so plugins never see the older shapes.
 */
export type CniResult = {
  readonly interfaces: readonly CniInterface[]
  readonly ips: readonly CniIp[]
  readonly routes: readonly CniRoute[]
  readonly dns: CniDns
}

/** A link that belongs to the attachment, in the container or on the host. */
export type CniInterface = {
  readonly name: string
  /** Lower case, colons. */
  readonly mac?: string | undefined
  readonly mtu?: number | undefined
  /** CNI_NETNS byte for byte; absent for links of the host. */
  readonly sandbox?: string | undefined
  readonly socketPath?: string | undefined
  readonly pciID?: string | undefined
}

/** An address of the attachment. */
export type CniIp = {
  /** The address with the length of its subnet; host bits are kept. */
  readonly address: IpPrefix
  readonly gateway?: IpAddress | undefined
  /** Index into `interfaces`; absent in the answers of IPAM plugins. */
  readonly interface?: number | undefined
}

/** A route in the container. */
export type CniRoute = {
  readonly dst: IpPrefix
  readonly gw?: IpAddress | undefined
  readonly mtu?: number | undefined
  readonly advmss?: number | undefined
  readonly priority?: number | undefined
  readonly table?: number | undefined
  readonly scope?: number | undefined
}

/** What the attachment's resolver should use. */
export type CniDns = {
  readonly nameservers?: readonly string[] | undefined
  readonly domain?: string | undefined
  readonly search?: readonly string[] | undefined
  readonly options?: readonly string[] | undefined
}

/** A result with nothing in it. */
export const emptyResult: CniResult = { interfaces: [], ips: [], routes: [], dns: {} }
