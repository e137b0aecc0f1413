import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { formatHostPort, type IpAddress, parseIp } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'

/** Where a server listens. */
export type UpstreamAddress = { readonly address: IpAddress; readonly port: number }

const DNS_PORT = 53

export const formatUpstream = ({ address, port }: UpstreamAddress): string =>
  formatHostPort(address, port)

/**
 * The servers that one TO means: `IP`, `IP:port`, `[IPv6]:port`, each also behind `dns://`; or the nameservers of a file in
 * the form of resolv.conf. A string says what is wrong with it.
 */
export async function parseTarget(
  text: string,
  directory: string,
): Promise<readonly UpstreamAddress[] | string> {
  const scheme = /^([a-z0-9]+):\/\//.exec(text)?.[1]
  if (scheme === 'tls' || scheme === 'https') {
    return `${text}: ${scheme}:// is not supported yet; name a server that speaks plain DNS`
  }
  if (scheme !== undefined && scheme !== 'dns') return `${text}: unknown scheme ${scheme}://`
  const server = parseServer(scheme === undefined ? text : text.slice('dns://'.length))
  if (server !== undefined) return [server]
  if (scheme === undefined && text.includes('/')) return nameserversOf(resolve(directory, text))
  return `${text} is neither an address nor a file; host names are not supported, name an address`
}

function parseServer(text: string): UpstreamAddress | undefined {
  const bare = parseIp(text)
  if (bare !== undefined) return { address: bare, port: DNS_PORT }
  const [, v6, v4, portText] = /^(?:\[(.*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? []
  const address = parseIp(v6 ?? v4 ?? '')
  const port = portText === undefined ? DNS_PORT : Number(portText)
  return address === undefined || port < 1 || port > 65535 ? undefined : { address, port }
}

async function nameserversOf(path: string): Promise<readonly UpstreamAddress[] | string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    return `${path} cannot be read: ${describeError(error)}`
  }
  const servers = parseResolvConf(text).map(address => ({ address, port: DNS_PORT }))
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
