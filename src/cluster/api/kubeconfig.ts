import { dirname, isAbsolute, resolve, sep } from 'node:path'
import { type Document, isNode, LineCounter, parseDocument } from 'yaml'
import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import { ConvertError, Raw } from '../raw.ts'
import type { ExecConfig } from './exec-plugin.ts'

/** A PEM text in the file itself, or the absolute path of the file that has it. */
export type PemPlace = { readonly text: string } | { readonly path: string }

/** What one context of a kubeconfig says: which server, how to know it, how to be known to it. */
export type KubeconfigContext = {
  readonly server: string
  readonly authority: PemPlace | undefined
  readonly skipTlsVerify: boolean
  /** Name to expect in the server's certificate instead of the host of `server`; empty for that. */
  readonly tlsServerName: string
  /** Empty for none. */
  readonly proxyUrl: string
  readonly user: KubeconfigUser
}

export type KubeconfigUser = {
  /** Empty for none. */
  readonly token: string
  /** Absolute; empty for none. Goes before `token`. */
  readonly tokenFile: string
  readonly basic: { readonly username: string; readonly password: string } | undefined
  readonly certificate: PemPlace | undefined
  readonly key: PemPlace | undefined
  readonly exec: ExecConfig | undefined
}

/** Fields that would change who we are or what we see; ignoring them would be worse than stopping. */
const unsupportedUserFields: Readonly<Record<string, string>> = {
  'auth-provider': 'not supported (Kubernetes 1.26 removed it); use exec',
  as: 'impersonation is not supported',
  'as-uid': 'impersonation is not supported',
  'as-groups': 'impersonation is not supported',
  'as-user-extra': 'impersonation is not supported',
}

const execApiVersions = [
  'client.authentication.k8s.io/v1',
  'client.authentication.k8s.io/v1beta1',
] as const

/**
 * Reads one context of a kubeconfig (`current-context` when none is named). Paths are relative to the file's folder.
 * As in client-go, what is embedded (`…-data`) goes before a file, and fields nobody knows are ignored.
 * @throws {ConfigError} with file, line and field of what is wrong or not supported.
 */
export function parseKubeconfig(text: string, file: string, context?: string): KubeconfigContext {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const [error] = document.errors
  if (error !== undefined) {
    const place = error.linePos?.[0]
    const message = error.message.split('\n')[0] ?? ''
    throw new ConfigError([{ file, line: place?.line, column: place?.col, message }])
  }
  const problems: ConfigProblem[] = []
  const problem: Report = (field, message) =>
    problems.push({ file, line: lineOf(document, lines, field), field, message })
  let read: KubeconfigContext | undefined
  try {
    read = readContext(new Raw(document.toJS()), dirname(resolve(file)), context, problem)
  } catch (thrown) {
    if (!(thrown instanceof ConvertError)) throw thrown
    problem(thrown.field, thrown.message.slice(thrown.field === '' ? 0 : thrown.field.length + 2))
  }
  if (read === undefined || problems.length > 0) throw new ConfigError(problems)
  return read
}

type Report = (field: string, message: string) => void

function readContext(
  root: Raw,
  folder: string,
  wantedContext: string | undefined,
  problem: Report,
): KubeconfigContext | undefined {
  const contextName = wantedContext ?? root.get('current-context').string()
  if (contextName === '') {
    problem('current-context', 'missing; name the context to use')
    return undefined
  }
  const context = named(root, 'contexts', 'context', contextName, problem)
  if (context === undefined) return undefined
  const cluster = named(root, 'clusters', 'cluster', context.get('cluster').string(), problem)
  const userName = context.get('user').string()
  // A context without user is anonymous.
  const user =
    userName === '' ? new Raw(undefined) : named(root, 'users', 'user', userName, problem)
  if (cluster === undefined || user === undefined) return undefined
  const server = cluster.get('server').string()
  if (!URL.canParse(server)) problem(`${cluster.path}.server`, `'${server}' is not a URL`)
  const authority = pemAt(cluster, 'certificate-authority', folder, problem)
  const skipTlsVerify = cluster.get('insecure-skip-tls-verify').boolean()
  if (skipTlsVerify && authority !== undefined) {
    problem(`${cluster.path}.insecure-skip-tls-verify`, 'contradicts certificate-authority')
  }
  return {
    server,
    authority,
    skipTlsVerify,
    tlsServerName: cluster.get('tls-server-name').string(),
    proxyUrl: proxyAt(cluster, problem),
    user: readUser(user, cluster, folder, problem),
  }
}

/** The `inner` of the entry of a list with that name. */
function named(root: Raw, list: string, inner: string, name: string, problem: Report) {
  const entry = root
    .get(list)
    .items()
    .find(item => item.get('name').string() === name)
  if (entry === undefined) problem(list, `no ${inner} is named '${name}'`)
  return entry?.get(inner)
}

function readUser(user: Raw, cluster: Raw, folder: string, problem: Report): KubeconfigUser {
  for (const [field, why] of Object.entries(unsupportedUserFields)) {
    if (!user.get(field).isAbsent) problem(`${user.path}.${field}`, why)
  }
  const certificate = pemAt(user, 'client-certificate', folder, problem)
  const key = pemAt(user, 'client-key', folder, problem)
  if ((certificate === undefined) !== (key === undefined)) {
    problem(user.path, 'client-certificate and client-key belong together')
  }
  const username = user.get('username').string()
  return {
    token: user.get('token').string(),
    tokenFile: absolute(user.get('tokenFile').string(), folder),
    basic: username === '' ? undefined : { username, password: user.get('password').string() },
    certificate,
    key,
    exec: user.get('exec').isAbsent
      ? undefined
      : readExec(user.get('exec'), cluster, folder, problem),
  }
}

function readExec(exec: Raw, cluster: Raw, folder: string, problem: Report): ExecConfig {
  const command = exec.get('command').requiredString()
  const apiVersion = exec.get('apiVersion').requiredString()
  if (!execApiVersions.some(version => version === apiVersion)) {
    problem(`${exec.path}.apiVersion`, `'${apiVersion}' is not ${execApiVersions.join(' or ')}`)
  }
  if (exec.get('interactiveMode').string() === 'Always') {
    problem(`${exec.path}.interactiveMode`, 'Always cannot work: there is nobody to ask')
  }
  const env = exec
    .get('env')
    .items()
    .map(item => [item.get('name').requiredString(), item.get('value').string()] as const)
  return {
    apiVersion,
    // Only a path is relative to the file; a bare name is looked for in PATH.
    command: command.includes(sep) ? absolute(command, folder) : command,
    args: exec.get('args').strings(),
    env: Object.fromEntries(env),
    installHint: exec.get('installHint').string().trim(),
    cluster: exec.get('provideClusterInfo').boolean() ? clusterInfo(cluster) : undefined,
  }
}

/** The ExecCredential's `spec.cluster` (client.authentication.k8s.io/v1 Cluster). */
function clusterInfo(cluster: Raw): Readonly<Record<string, unknown>> {
  const text = (name: string) => cluster.get(name).optionalString()
  return {
    server: text('server'),
    'tls-server-name': text('tls-server-name'),
    'insecure-skip-tls-verify': cluster.get('insecure-skip-tls-verify').optionalBoolean(),
    'certificate-authority-data': text('certificate-authority-data'),
    'proxy-url': text('proxy-url'),
  }
}

function pemAt(owner: Raw, name: string, folder: string, problem: Report): PemPlace | undefined {
  const data = owner.get(`${name}-data`)
  if (data.string() !== '') {
    const text = Buffer.from(data.string(), 'base64').toString()
    if (!text.includes('-----BEGIN ')) problem(data.path, 'not the base64 of a PEM text')
    return { text }
  }
  const path = owner.get(name).string()
  return path === '' ? undefined : { path: absolute(path, folder) }
}

function proxyAt(cluster: Raw, problem: Report): string {
  const url = cluster.get('proxy-url')
  const text = url.string()
  if (text !== '' && !/^https?:\/\//.test(text)) {
    problem(url.path, `'${text}' is not an http:// or https:// URL; others are not supported`)
  }
  return text
}

function absolute(path: string, folder: string): string {
  return path === '' || isAbsolute(path) ? path : resolve(folder, path)
}

/** The line of a field, or of its nearest ancestor. */
function lineOf(document: Document, lines: LineCounter, field: string): number | undefined {
  const path = (field.match(/[^.[\]]+/g) ?? []).map(part =>
    /^\d+$/.test(part) ? Number(part) : part,
  )
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return undefined
}
