import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { describeError } from '#runtime/error.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems, directiveError } from '../../corefile/problem.ts'
import type { PluginDefinition } from '../../plugin.ts'
import { rootDirectory } from '../root/plugin.ts'

/**
 * `tls`: the certificate of a block that is served encrypted. The server reads it before it plans its listeners, so that a bad one
 * stops a reload; nothing is left to set up.
 */
export const tls: PluginDefinition = {
  name: 'tls',
  repeatable: false,
  setup: () => ({ name: 'tls' }),
}

/** What a TLS server is started with (node:tls). */
export type TlsSettings = {
  readonly context: SecureContextOptions
  /** Are clients asked for a certificate, and turned away without a good one? */
  readonly requestCert: boolean
  readonly rejectUnauthorized: boolean
  /** May a client come without a certificate, but not with a bad one? */
  readonly rejectBad: boolean
  /** Keys of sessions are written there, for debugging. */
  readonly keylog: string | undefined
}

type ClientAuth = Pick<TlsSettings, 'requestCert' | 'rejectUnauthorized' | 'rejectBad'>

const noClientAuth: ClientAuth = { requestCert: false, rejectUnauthorized: false, rejectBad: false }

/** How Go's names of client authentication map to node:tls. `require` checks nothing in Go; here no client is let in unchecked. */
const clientAuth: Readonly<Record<string, ClientAuth>> = {
  nocert: noClientAuth,
  request: { ...noClientAuth, requestCert: true },
  verify_if_given: { ...noClientAuth, requestCert: true, rejectBad: true },
  require: { ...noClientAuth, requestCert: true, rejectUnauthorized: true },
  require_and_verify: { ...noClientAuth, requestCert: true, rejectUnauthorized: true },
}

/** Reads the `tls` of a block, where relative paths start at its `root`; undefined without one. @throws {ConfigError} */
export async function loadBlockTls(
  directives: readonly Directive[],
  directory: string,
): Promise<TlsSettings | undefined> {
  const directive = directives.find(({ name }) => name === 'tls')
  if (directive === undefined) return undefined
  return loadTls(directive, rootDirectory(directives, directory))
}

/** Reads a `tls CERT KEY [CA]` directive and its files. @throws {ConfigError} */
export async function loadTls(directive: Directive, directory: string): Promise<TlsSettings> {
  const problems = new DirectiveProblems('tls')
  const { args, block = [] } = directive
  if (args.length < 2 || args.length > 3) problems.add(directive, 'needs CERT KEY and may have CA')
  let auth = 'nocert'
  let keylog: string | undefined
  for (const line of block) {
    const [word = '', ...more] = line.args
    if (line.name === 'client_auth' && Object.hasOwn(clientAuth, word) && more.length === 0)
      auth = word
    else if (line.name === 'client_auth') {
      problems.add(line, `needs one of ${Object.keys(clientAuth).join(', ')}`)
    } else if (line.name === 'keylog' && word !== '' && more.length === 0)
      keylog = resolve(directory, word)
    else problems.add(line, 'unknown option, there are: client_auth MODE, keylog FILE')
  }
  problems.throwIfAny()
  const [cert, key, ca] = await Promise.all(
    args.map(path => read(directive, resolve(directory, path))),
  )
  const context: SecureContextOptions = {
    minVersion: 'TLSv1.2',
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca }),
  }
  check(directive, context)
  return {
    context,
    ...(clientAuth[auth] ?? noClientAuth),
    keylog,
  }
}

async function read(directive: Directive, path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw directiveError(directive, describeError(error))
  }
}

/** A certificate and a key that do not belong together are found now. */
function check(directive: Directive, options: SecureContextOptions): void {
  try {
    createSecureContext(options)
  } catch (error) {
    throw directiveError(directive, `the certificate cannot be used: ${describeError(error)}`)
  }
}
