import { formatHostPort } from '#net/ip.ts'
import { formatPath, kubernetesYaml, parseConfig, parsePath } from '#runtime/config-file.ts'
import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import type { FieldFlag } from './flags.ts'
import { parseAddressWithPort } from './leaf.ts'
import {
  API_VERSION,
  createSchema,
  HEALTHZ_PORT,
  KIND,
  METRICS_PORT,
  type ProxyConfig,
} from './schema.ts'
import { supportWarnings } from './support.ts'

/** What the proxy is told, and what in it is not acted on. The caller logs the warnings. */
export type LoadedConfig = {
  readonly config: ProxyConfig
  readonly warnings: readonly ConfigProblem[]
}

/** Flags that were given, each with its parsed value. */
export type GivenFlags = readonly { readonly flag: FieldFlag; readonly value: unknown }[]

/** The deprecated flags; 0 takes the server away. */
export type Ports = {
  readonly healthzPort?: number | undefined
  readonly metricsPort?: number | undefined
}

/**
 * Reads a KubeProxyConfiguration (YAML or JSON). kube-proxy logs unknown fields and goes on; here they are refused.
 * @param file name for messages.
 * @throws {ConfigError} with every problem, each with line and field.
 */
export function configFromFile(text: string, file: string, flags: GivenFlags = []): LoadedConfig {
  const given = sayingSomething(flags)
  const { value, unknownFields } = parseConfig(
    createSchema('is the default'),
    text,
    file,
    kubernetesYaml,
  )
  if (unknownFields.length > 0) {
    throw new ConfigError(
      unknownFields.map(problem => ({
        ...problem,
        message: 'unknown field; docs/proxy-config.md lists all fields',
      })),
    )
  }
  const beside = given.filter(({ flag }) => flag.beside)
  const ignored = given.filter(({ flag }) => !flag.beside)
  const config = withFlags(value, beside)
  return {
    config,
    warnings: [
      ...ignored.map(({ flag }) => ignoredFlag(flag)),
      ...supportWarnings(config).map(problem => ({ file, ...problem })),
    ],
  }
}

/**
 * The configuration that flags alone make.
 * @throws {ConfigError} with every problem, each with its flag.
 */
export function configFromFlags(flags: GivenFlags, ports: Ports = {}): LoadedConfig {
  const given = sayingSomething(flags)
  const raw: Record<string, unknown> = { apiVersion: API_VERSION, kind: KIND }
  for (const { flag, value } of given) for (const field of flag.fields) setAt(raw, field, value)
  raw['healthzBindAddress'] = withPort(raw['healthzBindAddress'], ports.healthzPort, HEALTHZ_PORT)
  raw['metricsBindAddress'] = withPort(raw['metricsBindAddress'], ports.metricsPort, METRICS_PORT)
  const result = createSchema('is a value').safeParse(raw)
  if (!result.success) {
    throw new ConfigError(
      result.error.issues.map(({ path, message }) => ({ field: flagOf(path, given), message })),
    )
  }
  const config = {
    ...result.data,
    ...(ports.healthzPort === 0 ? { healthzBindAddress: '' } : {}),
    ...(ports.metricsPort === 0 ? { metricsBindAddress: '' } : {}),
  }
  return { config, warnings: flagWarnings(config, given) }
}

/** A flag that sets a field of several sections is told of once, and only when it has its effect in none of them. */
function flagWarnings(config: ProxyConfig, given: GivenFlags): readonly ConfigProblem[] {
  const problems = supportWarnings(config)
  const unused = new Set(problems.map(({ field }) => field))
  return problems.flatMap(({ field = '', message }) => {
    // Nobody who set no mode needs to hear of modes.
    if (field === 'mode' && config.mode === '') return []
    const path = parsePath(field)
    const { fields = [field] } = flagFor(path, given) ?? {}
    const isTold =
      fields.length > 1 && (field !== fields[0] || !fields.every(name => unused.has(name)))
    return isTold ? [] : [{ field: flagOf(path, given), message }]
  })
}

/** Flags over a configuration from a file; the vmodule lists are joined, the flags' first. */
function withFlags(config: ProxyConfig, given: GivenFlags): ProxyConfig {
  const raw = structuredClone(config) as unknown as Record<string, unknown>
  for (const { flag, value } of given) {
    for (const field of flag.fields) {
      const isList = flag.kind === 'vmodule'
      setAt(raw, field, isList ? [...(value as []), ...config.logging.vmodule] : value)
    }
  }
  const result = createSchema('is a value').safeParse(raw)
  if (result.success) return result.data
  throw new ConfigError(
    result.error.issues.map(({ path, message }) => ({ field: flagOf(path, given), message })),
  )
}

/**
 * The flags without an empty `--hostname-override=`, which is as none: templates write it where there is no name to give.
 * @throws {ConfigError} it is blank, but not empty (kube-proxy, processHostnameOverrideFlag).
 */
function sayingSomething(given: GivenFlags): GivenFlags {
  return given.filter(({ flag, value }) => {
    if (flag.name !== 'hostname-override' || typeof value !== 'string') return true
    if (value !== '' && value.trim() === '') {
      throw new ConfigError([{ field: '--hostname-override', message: 'must not be blank' }])
    }
    return value !== ''
  })
}

function ignoredFlag({ name, fields }: FieldFlag): ConfigProblem {
  const message = `ignored because of --config; the file has ${fields.join(' and ')} for it`
  return { field: `--${name}`, message }
}

/** The flag that set a field, else the field. */
function flagOf(path: readonly PropertyKey[], given: GivenFlags): string {
  const flag = flagFor(path, given)
  return flag === undefined ? formatPath(path) : `${flag.name === 'v' ? '-' : '--'}${flag.name}`
}

function flagFor(path: readonly PropertyKey[], given: GivenFlags): FieldFlag | undefined {
  const field = formatPath(path)
  return given.find(({ flag }) => flag.fields.some(name => field.startsWith(name)))?.flag
}

/** An address without port gets the one of the deprecated flag; no address at all is left to the default. */
function withPort(address: unknown, port: number | undefined, defaultPort: number): unknown {
  if (port === undefined || port === 0 || port === defaultPort) return address
  if (typeof address !== 'string' || address === '') return address
  const parsed = parseAddressWithPort(address, port)
  if (parsed === undefined) return address
  return formatHostPort(parsed.ip, parsed.port)
}

function setAt(target: Record<string, unknown>, field: string, value: unknown): void {
  const parts = field.split('.')
  const last = parts.pop() as string
  let parent = target
  for (const part of parts) {
    parent[part] ??= {}
    parent = parent[part] as Record<string, unknown>
  }
  parent[last] = value
}
