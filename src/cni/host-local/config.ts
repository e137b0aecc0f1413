import { join } from 'node:path'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { parseCniArgs } from '../spec/cni-args.ts'
import {
  asList,
  type ConfigObject,
  configObjectFrom,
  invalid,
  ipField,
  listField,
  objectField,
  objectsField,
  prefixField,
  stringField,
  stringsField,
} from '../spec/config-object.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { AttachmentRequest, CniConfig } from '../spec/plugin.ts'
import type { CniRoute } from '../spec/result.ts'
import { routeFrom } from '../spec/result-json.ts'
import { checkRangeSets, type RangeSet, rangeFrom } from './range.ts'

/** Where the reference keeps its stores. */
const DEFAULT_DATA_DIR = '/var/lib/cni/networks'

/** What an address is handed out by. */
export type HostLocalConfig = {
  /** Not empty; the attachment gets one address of each. */
  readonly rangeSets: readonly RangeSet[]
  readonly routes: readonly CniRoute[]
  /** The resolv.conf to read, or undefined. */
  readonly resolvConf: string | undefined
}

/**
 * The folder of the network's store. It is all that DEL and GC read of `ipam`: a configuration that became wrong must
 * not keep addresses from being released.
 * @throws {CniError} code 6
 */
export function storeFolderOf({ fields, name }: CniConfig): string {
  const ipam = objectField(fields, 'ipam')
  return join((ipam && stringField(ipam, 'dataDir')) || DEFAULT_DATA_DIR, name)
}

/**
 * The `ipam` object, checked. Sets of runtimeConfig.ipRanges come first, then the single old-style range, then
 * `ranges`.
 * @throws {CniError} code 6 or 7
 */
export function hostLocalConfigFrom({ fields, cniVersion }: CniConfig): HostLocalConfig {
  const ipam = objectField(fields, 'ipam')
  if (ipam === undefined) {
    throw new CniError(cniCodes.invalidConfig, "ipam: IPAM config missing 'ipam' key")
  }
  const runtimeConfig = objectField(fields, 'runtimeConfig')
  const rangeSets = [
    ...(runtimeConfig === undefined ? [] : rangeSetsField(runtimeConfig, 'ipRanges')),
    ...(stringField(ipam, 'subnet') ? [[rangeOf(ipam)]] : []),
    ...rangeSetsField(ipam, 'ranges'),
  ]
  const routes = objectsField(ipam, 'routes').map(routeFrom)
  const resolvConf = stringField(ipam, 'resolvConf') || undefined
  checkRangeSets(rangeSets, cniVersion)
  return { rangeSets, routes, resolvConf }
}

/**
 * The addresses somebody asks for, from all three places that can say so, without duplicates.
 * @throws {CniError} code 4, 6 or 7
 */
export function requestedIps({ args, config }: AttachmentRequest): readonly IpAddress[] {
  const { fields } = config
  const cniArgs = objectField(fields, 'args')
  const argsCni = cniArgs && objectField(cniArgs, 'cni')
  const runtimeConfig = objectField(fields, 'runtimeConfig')
  const fromVariable = parseCniArgs(args, ['IP']).get('IP')
  const ips = [
    ...(fromVariable ? [ipOf(fromVariable, () => badVariable(fromVariable))] : []),
    ...[argsCni, runtimeConfig].flatMap(object => (object === undefined ? [] : ipsField(object))),
  ]
  return [...new Set(ips)]
}

const ipsField = (object: ConfigObject): readonly IpAddress[] =>
  stringsField(object, 'ips').map(text =>
    ipOf(text, () => invalid(object, 'ips', `'${text}' is not an IP address`)),
  )

/** The address in `ADDRESS` or `ADDRESS/LENGTH`. */
function ipOf(text: string, error: () => CniError): IpAddress {
  const ip = parseIp(text.replace(/\/[0-9]{1,3}$/, ''))
  if (ip === undefined) throw error()
  return ip
}

const badVariable = (text: string): CniError =>
  new CniError(cniCodes.invalidEnvironment, `CNI_ARGS: IP '${text}' is not an IP address`)

const rangeSetsField = (object: ConfigObject, key: string): readonly RangeSet[] =>
  listField(object, key, (set, path) =>
    asList(set, path, (range, rangePath) => rangeOf(configObjectFrom(range, rangePath))),
  )

function rangeOf(object: ConfigObject): RangeSet[number] {
  const subnet = prefixField(object, 'subnet')
  if (subnet === undefined) throw invalid(object, 'subnet', 'is missing')
  return rangeFrom({
    path: object.path,
    subnet,
    rangeStart: ipField(object, 'rangeStart'),
    rangeEnd: ipField(object, 'rangeEnd'),
    gateway: ipField(object, 'gateway'),
  })
}
