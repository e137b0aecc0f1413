import { dirname, isAbsolute, resolve } from 'node:path'
import * as z from 'zod'
import { DEFAULT_FAST_PATH_WORKERS, MAX_FAST_PATH_WORKERS } from '#dns/server/fast-path-workers.ts'
import { isLoopback, parseIp } from '#net/ip.ts'
import { routesSchema } from '#routes/config.ts'
import { parseConfig } from '#runtime/config-file.ts'
import { parseDuration } from '#runtime/duration.ts'
import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import { logLevels } from '#runtime/log.ts'
import { DEFAULT_AGENT_SOCKET } from './view/client.ts'

/** Health and metrics are for this node alone unless the config says otherwise. */
const DEFAULT_HTTP_ADDRESS = '127.0.0.1:9154'

/** What it shows is for the people of this node. */
const DEFAULT_STATUS_ADDRESS = '127.0.0.1:9155'

const addressSchema = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[0-9.]+|localhost):[0-9]{1,5}$/, 'must be ADDRESS:PORT')
  .refine(
    text => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65535,
    'port must be at most 65535',
  )

const path = z.string().min(1, 'must name a file')

const absolutePath = z.string().startsWith('/', 'must be an absolute path')

const ipAddress = z.string().refine(text => parseIp(text) !== undefined, 'must be an IP address')

/** Bound to the loopback link beside what is there. An IPv6 link-local address means another host on each link. */
const nodeLocalAddress = ipAddress.refine(text => {
  const ip = parseIp(text)
  return ip === undefined || !(isLoopback(ip) || ip.startsWith('fe80:'))
}, 'must be neither a loopback nor an IPv6 link-local address')

/** The kubelet's settings of the same names: pods' DNS settings follow from them. */
const kubeletDnsSchema = z.strictObject({
  clusterDNS: z.array(ipAddress).default([]),
  clusterDomain: z.string().default(''),
  resolvConf: z.string().default('/etc/resolv.conf'),
})

/** As the options of `nodeplane cni install`. */
const cniInstallSchema = z.strictObject({
  binDir: absolutePath.default('/opt/cni/bin'),
  confDir: absolutePath.default('/etc/cni/net.d'),
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*\.conflist$/, 'must be a file name that ends in .conflist')
    .default('10-nodeplane.conflist'),
  /** A file, or the network list itself; without it one is made of the Node's podCIDRs. */
  conflist: z.union([path, z.record(z.string(), z.unknown())]).optional(),
  /** The folder of the executables; without it that of this build. */
  from: absolutePath.optional(),
  replace: z.boolean().default(false),
})

/** A label key (Kubernetes: "Labels and Selectors", syntax); taints have the same. */
const taintKey = z
  .string()
  .regex(
    /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/,
    'must be the key of a taint, like example.org/not-ready',
  )

/** Milliseconds of a text like 30s. */
const duration = (least: string) =>
  z
    .string()
    .transform(text => parseDuration(text) ?? Number.NaN)
    .refine(ms => ms >= (parseDuration(least) ?? 0), `must be a duration of at least ${least}`)

const snapshotSchema = z.strictObject({
  file: absolutePath.default('/var/lib/nodeplane/snapshot/cluster'),
  maxAge: duration('1m').prefault('24h'),
  wait: duration('0s').prefault('5s'),
  interval: duration('1s').prefault('30s'),
  maxMegabytes: z.number().min(1).max(1024).default(64),
})

const schema = z.strictObject({
  nodeName: z.string().trim().toLowerCase().min(1, 'must not be empty').optional(),
  cluster: z
    .strictObject({
      manifests: path.optional(),
      kubeconfig: path.optional(),
      context: z.string().optional(),
    })
    .refine(
      ({ manifests, kubeconfig }) => manifests === undefined || kubeconfig === undefined,
      'manifests and kubeconfig exclude each other',
    )
    .default({}),
  proxy: z.union([z.literal(false), z.strictObject({ config: path.optional() })]).default({}),
  dns: z.union([
    z.literal(false),
    z.strictObject({
      corefile: path,
      port: z.number().int().min(1).max(65535).default(53),
      fastPathWorkers: z
        .number()
        .int()
        .min(0)
        .max(MAX_FAST_PATH_WORKERS)
        .default(DEFAULT_FAST_PATH_WORKERS),
      podsPolicy: kubeletDnsSchema.optional(),
      nodeLocal: z.strictObject({ addresses: z.array(nodeLocalAddress).min(1) }).optional(),
    }),
  ]),
  cni: z
    .union([
      z.literal(false),
      z.strictObject({
        socket: absolutePath.default('/run/nodeplane/cni.sock'),
        stateDir: absolutePath.default('/run/nodeplane/pods'),
        journalDir: absolutePath.default('/var/lib/nodeplane/cni'),
        podDNS: kubeletDnsSchema.optional(),
        install: cniInstallSchema.optional(),
        callsWait: z.boolean().optional(),
      }),
    ])
    .default(false),
  routes: z.union([z.literal(false), routesSchema]).default(false),
  readyTaint: taintKey.optional(),
  snapshot: z.union([z.literal(false), snapshotSchema]).prefault({}),
  http: z.strictObject({ address: addressSchema.default(DEFAULT_HTTP_ADDRESS) }).prefault({}),
  socket: absolutePath.default(DEFAULT_AGENT_SOCKET),
  status: z
    .union([
      z.literal(false),
      z.strictObject({ address: addressSchema.default(DEFAULT_STATUS_ADDRESS) }),
    ])
    .prefault({}),
  log: z.strictObject({ level: z.enum(logLevels).default('info') }).prefault({}),
})

/** What the agent is told. Paths are absolute: the file's own are relative to its folder. */
export type AgentConfig = z.infer<typeof schema>
export type KubeletDnsConfig = z.infer<typeof kubeletDnsSchema>

/**
 * Reads an agent's configuration.
 * @param file its absolute path: for messages, and for the paths in it.
 * @throws {ConfigError} with every problem, unknown fields among them.
 */
export function parseAgentConfig(text: string, file: string): AgentConfig {
  const { value, unknownFields } = parseConfig(schema, text, file)
  if (unknownFields.length > 0) throw new ConfigError(unknownFields.map(explainUnknown))
  const { cluster, proxy, dns, cni, routes } = value
  if ([proxy, dns, cni, routes].every(part => part === false)) {
    throw new ConfigError([
      { file, message: 'proxy, dns, cni and routes are all false: there is nothing to run' },
    ])
  }
  if (value.readyTaint !== undefined && cluster.manifests !== undefined) {
    const message = 'needs an API server to take it away from, and cluster.manifests names none'
    throw new ConfigError([{ file, field: 'readyTaint', message }])
  }
  const absolute = (relative: string) =>
    isAbsolute(relative) ? relative : resolve(dirname(file), relative)
  return {
    ...value,
    cluster: {
      ...cluster,
      ...(cluster.manifests === undefined ? {} : { manifests: absolute(cluster.manifests) }),
      ...(cluster.kubeconfig === undefined ? {} : { kubeconfig: absolute(cluster.kubeconfig) }),
    },
    proxy:
      proxy === false || proxy.config === undefined ? proxy : { config: absolute(proxy.config) },
    dns: dns === false ? dns : { ...dns, corefile: absolute(dns.corefile) },
    cni: cni === false ? cni : withAbsoluteConflist(cni, absolute),
  }
}

function withAbsoluteConflist(
  cni: Exclude<AgentConfig['cni'], false>,
  absolute: (path: string) => string,
): AgentConfig['cni'] {
  const { install } = cni
  if (typeof install?.conflist !== 'string') return cni
  return { ...cni, install: { ...install, conflist: absolute(install.conflist) } }
}

const explainUnknown = (problem: ConfigProblem): ConfigProblem => ({
  ...problem,
  message: `unknown field; known are ${Object.keys(schema.shape).join(', ')} (docs/agent.md lists what is in them)`,
})
