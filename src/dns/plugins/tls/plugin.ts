import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { describeError } from '#runtime/error.ts'
import type { Directive } from '../../corefile/directive.ts'
import { DirectiveProblems, directiveError } from '../../corefile/problem.ts'
import type { PluginDefinition } from '../../plugin.ts'

/** `tls`: the certificate of a block that is served encrypted. Read and checked at set-up, so that a bad one stops a reload. */
export const tls: PluginDefinition = {
  name: 'tls',
  repeatable: false,
  async setup([directive], { directory }) {
    if (directive === undefined) throw new TypeError('tls: set up without directive')
    await loadTls(directive, directory)
    return { name: 'tls' }
  },
}

/** What a TLS server is started with (node:tls). */
export type TlsSettings = {
  readonly context: SecureContextOptions
  /** Are clients asked for a certificate, and turned away without a good one? */
  readonly requestCert: boolean
  readonly rejectUnauthorized: boolean
  /** Keys of sessions are written there, for debugging. */
  readonly keylog: string | undefined
}

/** How Go's names of client authentication map to node:tls. `require` checks nothing in Go; here no client is let in unchecked. */
const clientAuth: Readonly<
  Record<string, Pick<TlsSettings, 'requestCert' | 'rejectUnauthorized'>>
> = {
  nocert: { requestCert: false, rejectUnauthorized: false },
  request: { requestCert: true, rejectUnauthorized: false },
  verify_if_given: { requestCert: true, rejectUnauthorized: false },
  require: { requestCert: true, rejectUnauthorized: true },
  require_and_verify: { requestCert: true, rejectUnauthorized: true },
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
    ...(clientAuth[auth] ?? { requestCert: false, rejectUnauthorized: false }),
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
