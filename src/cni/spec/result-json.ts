import type { IpFamily } from '#net/ip.ts'
import { formatPrefix, type IpPrefix } from '#net/prefix.ts'
import {
  type ConfigObject,
  fieldPath,
  integerField,
  invalid,
  ipField,
  objectField,
  objectsField,
  prefixField,
  stringField,
  stringsField,
} from './config-object.ts'
import { CniError, cniCodes } from './error.ts'
import type { CniDns, CniInterface, CniIp, CniResult, CniRoute } from './result.ts'
import { type CniVersion, isAtLeast, isCniVersion } from './version.ts'

/** Can this version say that an attachment has no address? 0.1.0 and 0.2.0 cannot: ask before anything is created. */
export const allowsNoAddress = (version: CniVersion): boolean => isAtLeast(version, '0.3.0')

/**
 * The result as the object to print in a version. What the version cannot say is left out.
 * @throws {CniError} code 7: no address although the version needs one, see {@link allowsNoAddress}.
 */
export function renderResult(result: CniResult, cniVersion: CniVersion): object {
  if (!allowsNoAddress(cniVersion)) return renderByFamily(result, cniVersion)
  const current = isAtLeast(cniVersion, '1.0.0')
  const dns = renderDns(result.dns)
  return {
    cniVersion,
    ...list('interfaces', result.interfaces.map(current ? renderInterface : renderOldInterface)),
    ...list(
      'ips',
      result.ips.map(ip => renderIp(ip, current)),
    ),
    ...list('routes', result.routes.map(renderRoute)),
    ...(current && Object.keys(dns).length === 0 ? {} : { dns }),
  }
}

/**
 * Reads a result (a delegate's answer, prevResult) of any version.
 * @param fallback the version of a result that names none: its configuration's.
 * @throws {CniError} code 6 or 7, with the field's path.
 */
export function resultFrom(object: ConfigObject, fallback: CniVersion): CniResult {
  const version = stringField(object, 'cniVersion') || fallback
  if (!isCniVersion(version)) {
    throw new CniError(
      cniCodes.decodingFailure,
      `${object.path || 'result'}: unknown cniVersion '${version}'`,
    )
  }
  refuseOtherShape(object, version)
  if (!allowsNoAddress(version)) return resultFromFamilies(object)
  return {
    interfaces: objectsField(object, 'interfaces').map(interfaceFrom),
    ips: objectsField(object, 'ips').map(ipFrom),
    routes: objectsField(object, 'routes').map(routeFrom),
    dns: dnsFrom(objectField(object, 'dns')),
  }
}

/** A result of one shape under a version of another would be read as an empty one. @throws {CniError} code 6 */
function refuseOtherShape(object: ConfigObject, version: CniVersion): void {
  const shapes = [
    ['ip4', 'ip6'],
    ['ips', 'interfaces'],
  ]
  const [own = [], other = []] = allowsNoAddress(version) ? shapes.toReversed() : shapes
  const foreign = other.find(key => object.values.has(key))
  if (foreign === undefined || own.some(key => object.values.has(key))) return
  throw new CniError(
    cniCodes.decodingFailure,
    `${fieldPath(object, foreign)}: not in a result of CNI ${version}`,
  )
}

/** A route of a configuration or a result: `{dst, gw, mtu, advmss, priority, table, scope}`. @throws {CniError} */
export const routeFrom = (object: ConfigObject): CniRoute => ({
  dst: requiredPrefix(object, 'dst'),
  gw: ipField(object, 'gw'),
  mtu: integerField(object, 'mtu'),
  advmss: integerField(object, 'advmss'),
  priority: integerField(object, 'priority'),
  table: integerField(object, 'table'),
  scope: integerField(object, 'scope'),
})

/** `{nameservers, domain, search, options}` of a configuration or a result; `{}` when absent. @throws {CniError} */
export function dnsFrom(object: ConfigObject | undefined): CniDns {
  if (object === undefined) return {}
  return {
    nameservers: stringsField(object, 'nameservers'),
    domain: stringField(object, 'domain'),
    search: stringsField(object, 'search'),
    options: stringsField(object, 'options'),
  }
}

/** 0.1.0 and 0.2.0: the first address of each family, with the routes of its family. */
function renderByFamily(result: CniResult, cniVersion: CniVersion): object {
  const half = (family: IpFamily) => {
    const ip = result.ips.find(({ address }) => address.family === family)
    if (ip === undefined) return undefined
    const routes = result.routes.filter(({ dst }) => dst.family === family)
    return {
      ip: formatPrefix(ip.address),
      ...(ip.gateway === undefined ? {} : { gateway: ip.gateway }),
      ...list(
        'routes',
        routes.map(({ dst, gw }) => ({
          dst: formatPrefix(dst),
          ...(gw === undefined ? {} : { gw }),
        })),
      ),
    }
  }
  const [ip4, ip6] = [half(4), half(6)]
  if (ip4 === undefined && ip6 === undefined) {
    throw new CniError(cniCodes.invalidConfig, `a result of CNI ${cniVersion} needs an IP address`)
  }
  return {
    cniVersion,
    ...(ip4 === undefined ? {} : { ip4 }),
    ...(ip6 === undefined ? {} : { ip6 }),
    dns: renderDns(result.dns),
  }
}

function resultFromFamilies(object: ConfigObject): CniResult {
  const halves = ['ip4', 'ip6'].flatMap(key => objectField(object, key) ?? [])
  return {
    interfaces: [],
    ips: halves.map(half => ({
      address: requiredPrefix(half, 'ip'),
      gateway: ipField(half, 'gateway'),
    })),
    routes: halves.flatMap(half => objectsField(half, 'routes').map(routeFrom)),
    dns: dnsFrom(objectField(object, 'dns')),
  }
}

const interfaceFrom = (object: ConfigObject): CniInterface => ({
  name: stringField(object, 'name') ?? '',
  mac: stringField(object, 'mac'),
  mtu: integerField(object, 'mtu'),
  sandbox: stringField(object, 'sandbox'),
  socketPath: stringField(object, 'socketPath'),
  pciID: stringField(object, 'pciID'),
})

const ipFrom = (object: ConfigObject): CniIp => ({
  address: requiredPrefix(object, 'address'),
  gateway: ipField(object, 'gateway'),
  interface: integerField(object, 'interface'),
})

function requiredPrefix(object: ConfigObject, key: string): IpPrefix {
  const prefix = prefixField(object, key)
  if (prefix === undefined) throw invalid(object, key, 'is missing')
  return prefix
}

const renderInterface = (link: CniInterface): object => ({
  name: link.name,
  ...present({ mac: link.mac, mtu: link.mtu, sandbox: link.sandbox }),
  ...present({ socketPath: link.socketPath, pciID: link.pciID }),
})

const renderOldInterface = ({ name, mac, sandbox }: CniInterface): object => ({
  name,
  ...present({ mac, sandbox }),
})

const renderIp = ({ address, gateway, interface: index }: CniIp, current: boolean): object => ({
  ...(current ? {} : { version: String(address.family) }),
  // 0 is an index like any other.
  ...(index === undefined ? {} : { interface: index }),
  address: formatPrefix(address),
  ...present({ gateway }),
})

// Scope and table 0 are values (RT_SCOPE_UNIVERSE, RT_TABLE_UNSPEC) that somebody wrote: only what is absent is left out.
const renderRoute = ({ dst, ...rest }: CniRoute): object => ({
  dst: formatPrefix(dst),
  ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
})

const renderDns = ({ nameservers = [], domain, search = [], options = [] }: CniDns): object => ({
  ...list('nameservers', nameservers),
  ...present({ domain }),
  ...list('search', search),
  ...list('options', options),
})

/** The fields that say something: not undefined, not an empty string, not 0. */
const present = (fields: Readonly<Record<string, string | number | undefined>>): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => Boolean(value)))

const list = (key: string, items: readonly unknown[]): object =>
  items.length === 0 ? {} : { [key]: items }
