import { z } from 'zod'
import { formatHostPort, parseIp } from '#net/ip.ts'
import { parseConfig } from '#runtime/config-file.ts'
import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import { normalizeName } from '../name.ts'

/** What kube-dns's ConfigMap says (Kubernetes: "Customizing DNS Service"). Servers as `forward` writes them. */
export type KubeDnsConfig = {
  /** Domain, without the dot at its end → its servers. */
  readonly stubDomains: ReadonlyMap<string, readonly string[]>
  /** For all other names outside the cluster; empty: the node's. */
  readonly upstreamNameservers: readonly string[]
  readonly warnings: readonly ConfigProblem[]
}

const configMap = z.looseObject({
  kind: z.literal('ConfigMap'),
  data: z.record(z.string(), z.string()).optional(),
})

/** kube-dns takes no more. */
const MAX_UPSTREAMS = 3
const KEYS = ['stubDomains', 'upstreamNameservers', 'federations']

/**
 * Reads the ConfigMap `kube-system/kube-dns` from YAML or JSON.
 * @param file its name in messages.
 * @throws {ConfigError} with all that is wrong with it.
 */
export function parseKubeDns(text: string, file: string): KubeDnsConfig {
  const { value } = parseConfig(configMap, text, file)
  const data = value.data ?? {}
  const problems: ConfigProblem[] = []
  const at = (key: string, message: string): ConfigProblem => ({
    file,
    ...lineOf(text, key),
    field: `data.${key}`,
    message,
  })
  const report = (key: string) => (message: string) => void problems.push(at(key, message))
  const stubDomains = readStubDomains(data['stubDomains'], report('stubDomains'))
  const upstreamNameservers = readUpstreams(
    data['upstreamNameservers'],
    report('upstreamNameservers'),
  )
  if (problems.length > 0) throw new ConfigError(problems)
  return {
    stubDomains,
    upstreamNameservers,
    warnings: [
      ...(data['federations'] === undefined
        ? []
        : [at('federations', 'left out: federation was removed from Kubernetes')]),
      ...Object.keys(data)
        .filter(key => !KEYS.includes(key))
        .map(key => at(key, 'left out: kube-dns has no such key')),
    ],
  }
}

function lineOf(text: string, key: string): { line?: number } {
  const line = text.split('\n').findIndex(line => line.trimStart().startsWith(`${key}:`))
  return line < 0 ? {} : { line: line + 1 }
}

/** A domain in lower case without the dot at its end; undefined for what a Corefile could read as something else. */
export function plainDomain(text: string): string | undefined {
  const name = normalizeName(text)?.slice(0, -1)
  return name !== undefined && /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name) ? name : undefined
}

type Report = (message: string) => void

function readStubDomains(
  text: string | undefined,
  report: Report,
): ReadonlyMap<string, readonly string[]> {
  const domains = new Map<string, readonly string[]>()
  const value = readJson(text, report)
  if (value === undefined) return domains
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    report('must be a JSON object like {"corp.example": ["10.0.0.1"]}')
    return domains
  }
  for (const [domain, servers] of Object.entries(value)) {
    const name = plainDomain(domain)
    if (name === undefined) report(`${JSON.stringify(domain)} is not a domain`)
    else domains.set(name, readServers(servers, `of '${domain}'`, report))
  }
  return domains
}

function readUpstreams(text: string | undefined, report: Report): readonly string[] {
  const value = readJson(text, report)
  if (value === undefined) return []
  const servers = readServers(value, '', report)
  if (servers.length > MAX_UPSTREAMS)
    report(`names ${servers.length} servers; kube-dns takes ${MAX_UPSTREAMS}`)
  return servers
}

function readJson(text: string | undefined, report: Report): unknown {
  if (text === undefined || text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    report(`is not JSON: ${(error as Error).message}`)
    return undefined
  }
}

function readServers(value: unknown, whose: string, report: Report): readonly string[] {
  const where = whose === '' ? '' : ` ${whose}`
  if (!Array.isArray(value) || value.length === 0) {
    report(
      `the servers${where} must be a JSON list of addresses like ["10.0.0.1", "10.0.0.2:5353"]`,
    )
    return []
  }
  return value.flatMap(item => {
    const server = typeof item === 'string' ? readServer(item) : undefined
    if (server === undefined)
      report(`${JSON.stringify(item)}${where} is not an address; use IP or IP:port`)
    return server ?? []
  })
}

function readServer(text: string): string | undefined {
  const bare = parseIp(text)
  if (bare !== undefined) return bare
  const [, v6, v4, port = ''] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const address = parseIp(v6 ?? v4 ?? '')
  const number = Number(port)
  if (address === undefined || number < 1 || number > 65_535) return undefined
  return formatHostPort(address, number)
}
