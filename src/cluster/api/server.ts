import { readFile } from 'node:fs/promises'
import type { Clock } from '#runtime/clock.ts'
import { ConfigError, describeError } from '#runtime/error.ts'
import { anonymous, type Credentials, storedCredentials } from './credentials.ts'
import type { KubeconfigContext, PemPlace } from './kubeconfig.ts'
import { fileText, fixedText, type RotatingText } from './rotating-text.ts'

/** How the user names the API server. With neither kubeconfig nor endpoint: the service account of the pod we run in. */
export type ApiConnection = {
  /** Path. */
  readonly kubeconfig?: string | undefined
  /** Instead of the kubeconfig's current-context. */
  readonly context?: string | undefined
  /** URL. With a kubeconfig it replaces the server's address (kube-proxy's `--master`). */
  readonly endpoint?: string | undefined
  /** Paths of PEM files, for `endpoint` alone (the Corefile's `tls CERT KEY CACERT`). */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string } | undefined
  /** KUBERNETES_SERVICE_HOST and …_PORT, the proxies, and what exec plugins get. */
  readonly env: Readonly<NodeJS.ProcessEnv>
  /** Where the service account is mounted, if not in its usual place. */
  readonly serviceAccountFolder?: string | undefined
}

/** Where the API server is, how to know it, and how to be known to it. */
export type ApiServer = {
  readonly url: URL
  /** The authorities that may have signed its certificate; undefined for the system's. */
  readonly authority: RotatingText | undefined
  readonly skipTlsVerify: boolean
  /** Name in its certificate; empty for the host of `url`. */
  readonly tlsServerName: string
  /** HTTPS_PROXY and friends, in the form Node's agents take. */
  readonly proxyEnv: Readonly<NodeJS.ProcessEnv>
  readonly credentials: Credentials
}

const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Finds out what a connection means.
 * @throws {ConfigError} the kubeconfig is wrong, or there is neither one nor a service account.
 */
export function findServer(connection: ApiConnection, clock: Clock): Promise<ApiServer> {
  if (connection.kubeconfig !== undefined) {
    return fromKubeconfig(connection, connection.kubeconfig, clock)
  }
  if (connection.endpoint !== undefined) {
    return fromEndpoint(connection, connection.endpoint, clock)
  }
  return fromServiceAccount(connection, clock)
}

async function fromKubeconfig(
  { context, endpoint, env }: ApiConnection,
  file: string,
  clock: Clock,
): Promise<ApiServer> {
  const text = await readConfigured(file)
  // YAML is loaded for those who have a kubeconfig; in a pod there is none.
  const { parseKubeconfig } = await import('./kubeconfig.ts')
  const read = parseKubeconfig(text, file, context)
  const { proxyUrl } = read
  return {
    url: endpoint === undefined ? new URL(read.server) : endpointUrl(endpoint, false),
    authority: textAt(read.authority, clock),
    skipTlsVerify: read.skipTlsVerify,
    tlsServerName: read.tlsServerName,
    proxyEnv: proxyUrl === '' ? env : { HTTP_PROXY: proxyUrl, HTTPS_PROXY: proxyUrl },
    credentials: await userCredentials(read, env, clock),
  }
}

async function userCredentials(
  { user }: KubeconfigContext,
  env: Readonly<NodeJS.ProcessEnv>,
  clock: Clock,
): Promise<Credentials> {
  if (user.exec !== undefined) {
    const { ExecPlugin } = await import('./exec-plugin.ts')
    return new ExecPlugin(user.exec, env, clock)
  }
  const { token, tokenFile, basic, certificate, key } = user
  const tokenText =
    tokenFile !== '' ? fileText(tokenFile, clock) : token !== '' ? fixedText(token) : undefined
  return storedCredentials({
    token: tokenText,
    basic,
    certificate: textAt(certificate, clock),
    key: textAt(key, clock),
  })
}

async function fromEndpoint(
  { tls, env }: ApiConnection,
  endpoint: string,
  clock: Clock,
): Promise<ApiServer> {
  return {
    url: endpointUrl(endpoint, tls !== undefined),
    authority: tls && fileText(tls.ca, clock),
    skipTlsVerify: false,
    tlsServerName: '',
    proxyEnv: env,
    credentials:
      tls === undefined
        ? anonymous
        : storedCredentials({
            certificate: fileText(tls.cert, clock),
            key: fileText(tls.key, clock),
          }),
  }
}

async function fromServiceAccount(
  { env, serviceAccountFolder: folder = SERVICE_ACCOUNT_FOLDER }: ApiConnection,
  clock: Clock,
): Promise<ApiServer> {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '' } = env
  if (host === '' || port === '') {
    const message =
      'not in a pod (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set): name a kubeconfig, an endpoint or manifests'
    throw new ConfigError([{ message }])
  }
  // Read now, so that a missing mount is told at start.
  await Promise.all([readConfigured(`${folder}/token`), readConfigured(`${folder}/ca.crt`)])
  return {
    url: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    authority: fileText(`${folder}/ca.crt`, clock),
    skipTlsVerify: false,
    tlsServerName: '',
    // Like client-go, so NO_PROXY may be needed where HTTPS_PROXY is set.
    proxyEnv: env,
    credentials: storedCredentials({ token: fileText(`${folder}/token`, clock) }),
  }
}

/** A host without scheme is a URL to client-go too: https with a certificate, else http. */
function endpointUrl(endpoint: string, secure: boolean): URL {
  const text = /^https?:\/\//.test(endpoint)
    ? endpoint
    : `${secure ? 'https' : 'http'}://${endpoint}`
  if (!URL.canParse(text)) {
    throw new ConfigError([{ field: 'endpoint', message: `'${endpoint}' is not a URL` }])
  }
  return new URL(text)
}

const textAt = (place: PemPlace | undefined, clock: Clock): RotatingText | undefined =>
  place && ('text' in place ? fixedText(place.text) : fileText(place.path, clock))

async function readConfigured(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new ConfigError([{ file, message: `cannot read: ${describeError(cause)}` }], { cause })
  }
}
