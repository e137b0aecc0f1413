import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { formatHostPort, type IpAddress, parseIp } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import { normalizeName } from '../../name.ts'

/** Where a server listens. */
export type UpstreamAddress = { readonly address: IpAddress; readonly port: number }

/** A server, and how it is spoken to. */
export type UpstreamServer = UpstreamAddress & {
  readonly protocol: 'dns' | 'tls' | 'https'
  /** The name that its certificate must have; undefined: its address. */
  readonly serverName?: string | undefined
}

const PORTS: Readonly<Record<UpstreamServer['protocol'], number>> = {
  dns: 53,
  tls: 853,
  https: 443,
}

/** How metrics and errors name a server. */
export const formatUpstream = ({ address, port, protocol, serverName }: UpstreamServer): string =>
  protocol === 'https'
    ? `https://${serverName ?? address}${port === PORTS.https ? '' : `:${port}`}`
    : formatHostPort(address, port)

/** The addresses of a host; rejects, or gives none, when there are none. */
export type ResolveHost = (host: string) => Promise<readonly IpAddress[]>

export type TargetSurroundings = {
  /** Files are relative to this folder. */
  readonly directory: string
  readonly resolveHost: ResolveHost
}

/**
 * The servers that one TO means: `[dns://|tls://|https://]HOST[:PORT]`, where HOST is an address, or a name that is looked up
 * once; behind `tls://` an address may have the `%NAME` of its certificate; or the nameservers of a file in the form of
 * resolv.conf. A string says what is wrong with it.
 */
export async function parseTarget(
  text: string,
  { directory, resolveHost }: TargetSurroundings,
): Promise<readonly UpstreamServer[] | string> {
  const [, scheme, rest = ''] = /^(?:([a-z0-9]+):\/\/)?(.*)$/is.exec(text) ?? []
  if (scheme === undefined && text.includes('/')) return nameserversOf(resolve(directory, text))
  const protocol = scheme ?? 'dns'
  if (!isProtocol(protocol)) return `${text}: unknown scheme ${scheme}://, use dns, tls or https`
  if (rest.includes('/')) return `${text}: a path is not allowed; ${protocol}://HOST[:PORT]`
  const place = parsePlace(rest)
  if (place === undefined) return `${text} is neither an address, a host name nor a file`
  const { host, name, port = PORTS[protocol] } = place
  if (name !== undefined && protocol !== 'tls') return `${text}: %${name} is for tls:// only`
  const common = { protocol, port }
  const address = parseIp(host)
  if (address !== undefined) return [{ ...common, address, serverName: name }]
  const hostName = normalizeName(host)?.slice(0, -1)
  // No top-level domain is a number: it is an address with a mistake.
  if (!hostName?.includes('.') || /\.\d+$/.test(hostName))
    return `${text} is neither an address, a host name nor a file`
  try {
    const addresses = await resolveHost(hostName)
    if (addresses.length === 0) return `${text}: ${hostName} has no address`
    // One of them: they are one server, and CoreDNS's limit counts servers.
    const serverName = protocol === 'dns' ? undefined : (name ?? hostName)
    return addresses.slice(0, 1).map(address => ({ ...common, address, serverName }))
  } catch (error) {
    return `${text}: looking up ${hostName} failed: ${describeError(error)}`
  }
}

const isProtocol = (text: string): text is UpstreamServer['protocol'] => Object.hasOwn(PORTS, text)

type Place = { readonly host: string; readonly name?: string | undefined; readonly port?: number }

/** `HOST[%NAME][:PORT]`; IPv6 addresses with a port stand in brackets. */
function parsePlace(text: string): Place | undefined {
  const bare = /^([0-9a-f:]*:[0-9a-f:.]*)(?:%([a-z0-9.-]+))?$/i.exec(text)
  if (bare !== null && parseIp(bare[1] ?? '') !== undefined) {
    return { host: bare[1] ?? '', name: bare[2] }
  }
  const match = /^(?:\[([^\]]+)\]|([^:%[\]]+))(?:%([a-z0-9.-]+))?(?::(\d{1,5}))?$/i.exec(text)
  if (match === null) return undefined
  const [, v6, other = '', name, portText] = match
  if (portText === undefined) return { host: v6 ?? other, name }
  const port = Number(portText)
  return port < 1 || port > 65_535 ? undefined : { host: v6 ?? other, name, port }
}

async function nameserversOf(path: string): Promise<readonly UpstreamServer[] | string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    return `${path} cannot be read: ${describeError(error)}`
  }
  const servers = parseResolvConf(text).map(
    address => ({ address, port: PORTS.dns, protocol: 'dns' }) as const,
  )
  return servers.length === 0 ? `${path} names no nameserver by an address` : servers
}

/** The nameservers of a resolv.conf, in its order; other lines and what is no address are left out. */
export function parseResolvConf(text: string): readonly IpAddress[] {
  return text
    .split('\n')
    .map(line => /^nameserver[ \t]+(\S+)/.exec(line.trim())?.[1])
    .map(address => (address === undefined ? undefined : parseIp(address)))
    .filter(ip => ip !== undefined)
}
