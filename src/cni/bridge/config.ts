import { type MacAddress, parseMac } from '#net/mac.ts'
import type { MasqueradeBackend } from '../masquerade/apply.ts'
import { parseCniArgs } from '../spec/cni-args.ts'
import {
  booleanField,
  type ConfigObject,
  invalid,
  objectField,
  stringField,
} from '../spec/config-object.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import { ipamTypeOf } from '../spec/ipam.ts'
import type { CniConfig, CniRequest } from '../spec/plugin.ts'
import type { CniDns } from '../spec/result.ts'
import { isAtLeast } from '../spec/version.ts'
import { dnsOf, mtuOf, wantsMasquerade } from '../veth/config.ts'
import { type PortVlans, portVlansFrom, vlanGatewayName } from './vlans.ts'

/** What the bridge plugin does, from its configuration and the wishes that come with a call. */
export type BridgeConfig = {
  /** Name of the bridge; created when missing. */
  readonly bridge: string
  /** The bridge has the gateway's addresses. */
  readonly isGateway: boolean
  /** Every family gets a default route. */
  readonly isDefaultGateway: boolean
  /** A conflicting address of the bridge is replaced instead of refused. */
  readonly forceAddress: boolean
  readonly ipMasq: boolean
  readonly ipMasqBackend: MasqueradeBackend
  /** undefined: the kernel's own. */
  readonly mtu: number | undefined
  readonly hairpinMode: boolean
  readonly promiscMode: boolean
  /** IPv6 addresses of the container go through duplicate detection. */
  readonly enabledad: boolean
  readonly disableContainerInterface: boolean
  readonly portIsolation: boolean
  /** Frames of the container must carry its own MAC. */
  readonly macspoofchk: boolean
  /** undefined: as the bridge makes its ports. */
  readonly vlans: PortVlans | undefined
  /** undefined: layer 2, no addresses. */
  readonly ipamType: string | undefined
  /** undefined: what IPAM says. */
  readonly dns: CniDns | undefined
  /** The container's MAC, when one is wanted. */
  readonly mac: MacAddress | undefined
}

/** IFNAMSIZ without its ending zero (linux/if.h). */
const MAX_LINK_NAME_BYTES = 15

/**
 * The configuration of ADD, CHECK and STATUS, with every check that must precede a change of the kernel.
 * @throws {CniError} code 6 (types), 7 (values), 4 (CNI_ARGS).
 */
export function bridgeConfigFrom(request: CniRequest): BridgeConfig {
  const { config } = request
  const { fields } = config
  const isDefaultGateway = booleanField(fields, 'isDefaultGateway') ?? false
  const bridge: BridgeConfig = {
    bridge: bridgeNameOf(fields),
    isGateway: (booleanField(fields, 'isGateway') ?? false) || isDefaultGateway,
    isDefaultGateway,
    forceAddress: booleanField(fields, 'forceAddress') ?? false,
    ipMasq: wantsMasquerade(config),
    ipMasqBackend: backendOf(fields),
    mtu: mtuOf(fields),
    hairpinMode: booleanField(fields, 'hairpinMode') ?? false,
    promiscMode: booleanField(fields, 'promiscMode') ?? false,
    enabledad: booleanField(fields, 'enabledad') ?? false,
    disableContainerInterface: booleanField(fields, 'disableContainerInterface') ?? false,
    portIsolation: booleanField(fields, 'portIsolation') ?? false,
    macspoofchk: wantsSpoofCheck(config),
    vlans: portVlansFrom(fields),
    ipamType: ipamTypeOf(config),
    dns: dnsOf(fields),
    mac: macOf(request),
  }
  refuseContradictions(bridge, config)
  return bridge
}

/** Are frames with a foreign MAC to be dropped? DEL asks only this. @throws {CniError} code 6 */
export const wantsSpoofCheck = ({ fields }: CniConfig): boolean =>
  booleanField(fields, 'macspoofchk') ?? false

/**
 * nftables when nothing is said: it sees no lock of others and packets take one look-up. (The reference's default is
 * iptables.)
 */
function backendOf(fields: ConfigObject): MasqueradeBackend {
  const backend = stringField(fields, 'ipMasqBackend') || 'nftables'
  if (backend === 'iptables' || backend === 'nftables') return backend
  throw invalid(fields, 'ipMasqBackend', `'${backend}' is neither iptables nor nftables`)
}

function refuseContradictions(bridge: BridgeConfig, { fields, cniVersion }: CniConfig): void {
  if (bridge.hairpinMode && bridge.promiscMode) {
    throw new CniError(
      cniCodes.invalidConfig,
      'cannot set hairpin mode and promiscuous mode at the same time',
    )
  }
  if (bridge.disableContainerInterface && bridge.ipamType !== undefined) {
    throw invalid(fields, 'disableContainerInterface', 'ipam needs the interface to be up')
  }
  const { bridge: name, isGateway, vlans } = bridge
  if (isGateway && vlans?.access !== undefined) {
    const gateway = vlanGatewayName(name, vlans.access)
    if (Buffer.byteLength(gateway) > MAX_LINK_NAME_BYTES) {
      throw invalid(fields, 'bridge', `the gateway's interface ${gateway} is longer than 15 bytes`)
    }
  }
  // Those results have no place for an attachment without addresses.
  if (bridge.ipamType === undefined && !isAtLeast(cniVersion, '0.3.0')) {
    throw invalid(fields, 'ipam', `a network without it needs cniVersion 0.3.0, not ${cniVersion}`)
  }
}

function bridgeNameOf(fields: ConfigObject): string {
  const name = stringField(fields, 'bridge') || 'cni0'
  if (
    !/^[^/:\s]{1,15}$/.test(name) ||
    Buffer.byteLength(name) > MAX_LINK_NAME_BYTES ||
    /^\.\.?$/.test(name)
  ) {
    throw invalid(fields, 'bridge', `'${name}' is no name of an interface`)
  }
  return name
}

/** runtimeConfig beats args.cni, which beats CNI_ARGS. An empty text is no wish. */
function macOf({ config: { fields }, args }: CniRequest): MacAddress | undefined {
  const ofArgs = objectField(fields, 'args')
  const ofCni = ofArgs && objectField(ofArgs, 'cni')
  const runtimeConfig = objectField(fields, 'runtimeConfig')
  // All sources are read first, so that what is malformed is an error also where it is overridden.
  const wishes = [
    runtimeConfig && stringField(runtimeConfig, 'mac'),
    ofCni && stringField(ofCni, 'mac'),
    parseCniArgs(args, ['MAC']).get('MAC'),
  ]
  const text = wishes.find(wish => wish !== undefined && wish !== '')
  if (text === undefined) return undefined
  const mac = parseMac(text)
  if (mac === undefined) throw invalid(fields, 'mac', `'${text}' is not a MAC address`)
  return mac
}
