import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Clock } from '#runtime/clock.ts'
import { errnoCode } from '#runtime/error.ts'
import { Raw } from '../raw.ts'
import { ApiError, parseJson } from './api-error.ts'
import type { Credential, Credentials } from './credentials.ts'

/** The `exec` of a kubeconfig user. */
export type ExecConfig = {
  /** `client.authentication.k8s.io/v1` or `…/v1beta1`; the plugin must answer in the same. */
  readonly apiVersion: string
  /** Path, or name to look for in PATH. */
  readonly command: string
  readonly args: readonly string[]
  /** Added to the environment. */
  readonly env: Readonly<Record<string, string>>
  readonly installHint: string
  /** What goes to the plugin as `spec.cluster` (provideClusterInfo), or undefined. */
  readonly cluster: unknown
}

/** A plugin that talks to a cloud may be slow; one that hangs must not hang us. */
const TIMEOUT_MS = 60_000
const MAX_OUTPUT_BYTES = 1024 * 1024

const run = promisify(execFile)

/**
 * Credentials from a program (KEP-541, client-go credential plugins): it runs without a shell, its answer is kept until
 * it expires or the server refuses it, and requests that need one at the same time share one run.
 */
export class ExecPlugin implements Credentials {
  readonly #config: ExecConfig
  readonly #env: Readonly<NodeJS.ProcessEnv>
  readonly #clock: Clock
  #current: { readonly credential: Credential; readonly expiresMs: number } | undefined
  #running: Promise<Credential> | undefined

  constructor(config: ExecConfig, env: Readonly<NodeJS.ProcessEnv>, clock: Clock) {
    this.#config = config
    this.#env = env
    this.#clock = clock
  }

  async get(signal: AbortSignal): Promise<Credential> {
    if (this.#current !== undefined && this.#clock.now() < this.#current.expiresMs) {
      return this.#current.credential
    }
    this.#running ??= this.#renew(signal).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  refused(credential: Credential): boolean {
    // Several requests may be refused with the same credential: only the first one throws it away.
    if (this.#current?.credential === credential) this.#current = undefined
    return true
  }

  async #renew(signal: AbortSignal): Promise<Credential> {
    const { apiVersion } = this.#config
    const answer = new Raw(parseJson('the answer of the exec plugin', await this.#run(signal)))
    const version = answer.get('apiVersion').string()
    if (answer.get('kind').string() !== 'ExecCredential' || version !== apiVersion) {
      throw this.#error(
        `answered ${version || 'nothing'} where ${apiVersion} ExecCredential is due`,
      )
    }
    const status = answer.get('status')
    const token = status.get('token').string()
    const certificate = status.get('clientCertificateData').optionalString()
    const key = status.get('clientKeyData').optionalString()
    if ((certificate === undefined) !== (key === undefined)) {
      throw this.#error('gave a certificate without key, or a key without certificate')
    }
    if (token === '' && key === undefined) throw this.#error('gave neither token nor certificate')
    const expires = Date.parse(status.get('expirationTimestamp').string())
    const credential = {
      authorization: token === '' ? undefined : `Bearer ${token}`,
      certificate,
      key,
    }
    const expiresMs = Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires
    this.#current = { credential, expiresMs }
    return credential
  }

  async #run(signal: AbortSignal): Promise<string> {
    const { apiVersion, command, args, env, cluster, installHint } = this.#config
    const spec = { interactive: false, ...(cluster === undefined ? {} : { cluster }) }
    const info = JSON.stringify({ kind: 'ExecCredential', apiVersion, spec })
    try {
      const running = run(command, [...args], {
        env: { ...this.#env, ...env, KUBERNETES_EXEC_INFO: info },
        signal,
        timeout: TIMEOUT_MS,
        killSignal: 'SIGKILL',
        maxBuffer: MAX_OUTPUT_BYTES,
      })
      running.child.stdin?.end()
      return (await running).stdout
    } catch (cause) {
      const hint = errnoCode(cause) === 'ENOENT' && installHint !== '' ? ` (${installHint})` : ''
      throw this.#error(`failed${hint}`, cause)
    }
  }

  #error(why: string, cause?: unknown): ApiError {
    return new ApiError('connection', `exec plugin ${this.#config.command}: ${why}`, { cause })
  }
}
