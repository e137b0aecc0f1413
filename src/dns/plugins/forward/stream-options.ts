import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { parseIp } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import type { Directive } from '../../corefile/directive.ts'
import type { DirectiveProblems } from '../../corefile/problem.ts'

/**
 * What `tls [CERT KEY] [CA]` says: nothing trusts the system's authorities, one file is the CA, two are a client's certificate and
 * its key, three are all. Undefined, and a problem, when they cannot be used.
 */
export function readTls(
  option: Directive,
  directory: string,
  problems: DirectiveProblems,
): SecureContextOptions | undefined {
  const { args } = option
  const [cert, key] = args.length >= 2 ? args : []
  const ca = args.length === 1 ? args[0] : args[2]
  if (args.length > 3) {
    problems.add(option, 'needs no more than CERT KEY CA')
    return undefined
  }
  try {
    const tls: Record<string, Buffer> = {}
    for (const [name, path] of Object.entries({ cert, key, ca })) {
      if (path !== undefined) tls[name] = readFileSync(resolve(directory, path))
    }
    // Of a file without a certificate nothing else says anything.
    for (const file of [tls['cert'], tls['ca']]) if (file !== undefined) new X509Certificate(file)
    createSecureContext(tls)
    return tls
  } catch (error) {
    problems.add(option, `cannot be used: ${describeError(error)}`)
    return undefined
  }
}

/** A host name, as certificates have them. */
export function readServerName(option: Directive, problems: DirectiveProblems): string | undefined {
  const [name] = option.args
  if (option.args.length === 1 && name !== undefined && /^[a-z0-9_.-]+$/i.test(name)) return name
  problems.add(option, 'needs the name that the certificate has: tls_servername dns.example')
  return undefined
}

/** An address of this machine. */
export function readSourceAddress(
  option: Directive,
  problems: DirectiveProblems,
): string | undefined {
  const address = option.args.length === 1 ? parseIp(option.args[0] ?? '') : undefined
  if (address === undefined) problems.add(option, 'needs one address of this machine')
  return address
}

export function readDohMethod(
  option: Directive,
  problems: DirectiveProblems,
): 'GET' | 'POST' | undefined {
  const [method] = option.args.map(text => text.toUpperCase())
  if (option.args.length === 1 && (method === 'GET' || method === 'POST')) return method
  problems.add(option, 'needs GET or POST')
  return undefined
}
