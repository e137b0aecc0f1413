import { familyOf, type IpAddress, ipFamilies, parseIp } from '#net/ip.ts'
import { formatPrefix, type IpPrefix, parsePrefix, prefixContains } from '#net/prefix.ts'
import { parseCniArgs } from '../spec/cni-args.ts'
import {
  type ConfigObject,
  fieldPath,
  invalid,
  ipField,
  objectAt,
  objectField,
  objectsField,
  prefixField,
  stringsField,
} from '../spec/config-object.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { CniRequest } from '../spec/plugin.ts'
import type { CniIp, CniResult } from '../spec/result.ts'
import { dnsFrom, routeFrom } from '../spec/result-json.ts'
import { isAtLeast } from '../spec/version.ts'

/**
 * What the configuration gives the container. Addresses of runtimeConfig.ips replace those of args.cni.ips, and these the
 * configured ones with those of CNI_ARGS; a GATEWAY of CNI_ARGS goes to the addresses whose subnet it is in.
 * @throws {CniError} code 4 (CNI_ARGS), 6 or 7.
 */
export function staticResultFrom({ config, args }: CniRequest): CniResult {
  const { fields, cniVersion } = config
  const ipam = objectField(fields, 'ipam')
  if (ipam === undefined) throw invalid(fields, 'ipam', 'is missing')
  const wishes = parseCniArgs(args, ['IP', 'GATEWAY'])
  const gateways = listOf(wishes.get('GATEWAY')).map(gatewayFrom)
  // All sources are read first, so that what is malformed is an error also where it is overridden.
  const replacements = [
    requestedIps(objectField(fields, 'runtimeConfig')),
    requestedIps(objectAt(fields, 'args', 'cni')),
    [
      ...objectsField(ipam, 'addresses').map(addressFrom),
      ...listOf(wishes.get('IP')).map(argumentFrom),
    ],
  ]
  const chosen = replacements.find(ips => ips.length > 0) ?? []
  const ips = chosen.map(ip => withGateway(ip, gateways))
  if (!isAtLeast(cniVersion, '0.3.0')) refuseSecond(ipam, ips, cniVersion)
  const routes = objectsField(ipam, 'routes').map(routeFrom)
  return { interfaces: [], ips, routes, dns: dnsFrom(objectField(ipam, 'dns')) }
}

function addressFrom(object: ConfigObject): CniIp {
  const address = prefixField(object, 'address')
  if (address === undefined) throw invalid(object, 'address', 'is missing')
  return { address, gateway: gatewayField(object, address) }
}

function gatewayField(object: ConfigObject, { family }: IpPrefix): IpAddress | undefined {
  const gateway = ipField(object, 'gateway')
  if (gateway === undefined || familyOf(gateway) === family) return gateway
  throw invalid(object, 'gateway', `'${gateway}' is not of the address's family`)
}

const requestedIps = (object: ConfigObject | undefined): readonly CniIp[] =>
  object === undefined
    ? []
    : stringsField(object, 'ips').map((text, index) => {
        const address = parsePrefix(text)
        if (address !== undefined) return { address }
        throw new CniError(
          cniCodes.invalidConfig,
          `${fieldPath(object, 'ips')}[${index}]: '${text}' is not ADDRESS/LENGTH`,
        )
      })

const listOf = (text: string | undefined): readonly string[] =>
  text === undefined || text === '' ? [] : text.split(',').map(each => each.trim())

function argumentFrom(text: string): CniIp {
  const address = parsePrefix(text)
  if (address !== undefined) return { address }
  throw new CniError(cniCodes.invalidEnvironment, `CNI_ARGS: IP '${text}' is not ADDRESS/LENGTH`)
}

function gatewayFrom(text: string): IpAddress {
  const gateway = parseIp(text)
  if (gateway !== undefined) return gateway
  throw new CniError(
    cniCodes.invalidEnvironment,
    `CNI_ARGS: GATEWAY '${text}' is not an IP address`,
  )
}

const withGateway = (ip: CniIp, gateways: readonly IpAddress[]): CniIp => {
  const gateway = gateways.find(each => prefixContains(ip.address, each))
  return gateway === undefined ? ip : { ...ip, gateway }
}

/** Those results have room for one address of each family. */
function refuseSecond(ipam: ConfigObject, ips: readonly CniIp[], version: string): void {
  for (const family of ipFamilies) {
    const [, second] = ips.filter(({ address }) => address.family === family)
    if (second === undefined) continue
    const why = `CNI version ${version} allows only 1 address per family, not ${formatPrefix(second.address)} too`
    throw invalid(ipam, 'addresses', why)
  }
}
