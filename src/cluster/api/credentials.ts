import type { RotatingText } from './rotating-text.ts'

/** What a request shows to the server; a client certificate only counts over TLS. */
export type Credential = {
  /** Value of the Authorization header. */
  readonly authorization?: string | undefined
  /** PEM. */
  readonly certificate?: string | undefined
  /** PEM. */
  readonly key?: string | undefined
}

/** Where a client's credentials come from. */
export interface Credentials {
  /** The credential for the next request. @throws {Error} there is none to be had now. */
  get(signal: AbortSignal): Promise<Credential>
  /** The server refused this one (401). Is there any hope that the next one is better? */
  refused(credential: Credential): boolean
}

/** Credentials that lie in the kubeconfig or in files it names. */
export type StoredCredentials = {
  readonly token?: RotatingText | undefined
  readonly basic?: { readonly username: string; readonly password: string } | undefined
  readonly certificate?: RotatingText | undefined
  readonly key?: RotatingText | undefined
}

export const anonymous: Credentials = { get: async () => ({}), refused: () => false }

/** As client-go does it: a token goes before name and password, and a client certificate is always shown. */
export function storedCredentials(stored: StoredCredentials): Credentials {
  const { token, basic, certificate, key } = stored
  return {
    async get() {
      return {
        authorization:
          token !== undefined
            ? `Bearer ${(await token.read()).trim()}`
            : basic &&
              `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}`,
        certificate: await certificate?.read(),
        key: await key?.read(),
      }
    },
    refused() {
      const forgotten = [token, certificate, key].map(text => text?.forget() ?? false)
      return forgotten.includes(true)
    },
  }
}
