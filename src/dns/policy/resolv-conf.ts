import { NodeplaneError } from '#runtime/error.ts'
import type { Entry } from './entry.ts'

/** What the kubelet reads from the node's resolver file. Every entry's origin is its line. */
export type NodeResolver = {
  readonly nameservers: readonly Entry[]
  readonly searches: readonly Entry[]
  readonly options: readonly Entry[]
}

/** The kubelet reads no more of a resolver file, in bytes (dns.go, maxResolvConfLength). */
export const MAX_RESOLV_CONF_BYTES = 10 * 1024 * 1024

/** A resolver file the kubelet would fail on: then no pod gets its DNS, whatever its policy. */
export class ResolvConfError extends NodeplaneError {
  readonly code = 'ERR_RESOLV_CONF'
  /** Counts from 1; undefined when it is about the whole file. */
  readonly line: number | undefined
  constructor(message: string, line?: number) {
    super(message)
    this.line = line
  }
}

/** Go's strings.Fields splits at these, and so must we: JavaScript's \s also holds U+FEFF and lacks U+0085. */
const BLANKS = /\p{White_Space}+/u

/**
 * Reads a resolver file as the kubelet does (pkg/kubelet/network/dns/dns.go, parseResolvConf), which differs from
 * resolver libraries: only `#` starts a comment, `domain` means nothing, options of all lines add up.
 * @throws {ResolvConfError} a nameserver line without address, or more than 10 MiB.
 */
export function parseResolvConf(text: string): NodeResolver {
  if (Buffer.byteLength(text) > MAX_RESOLV_CONF_BYTES) {
    throw new ResolvConfError(`more than ${MAX_RESOLV_CONF_BYTES} bytes`)
  }
  const nameservers: Entry[] = []
  let searches: readonly Entry[] = []
  const options = new Map<string, Entry>()
  for (const [index, line] of text.split('\n').entries()) {
    const [keyword = '', ...values] = line.split(BLANKS).filter(word => word !== '')
    // A comment is told by its first character, so `#nameserver` is one and `nameserver 10.0.0.1 #x` has none.
    if (keyword.startsWith('#')) continue
    const entry = (value: string): Entry => ({
      value,
      origin: { from: 'node-file', line: index + 1 },
    })
    if (keyword === 'nameserver') {
      if (values[0] === undefined) {
        throw new ResolvConfError('nameserver without an address', index + 1)
      }
      nameservers.push(entry(values[0]))
    } else if (keyword === 'search') {
      searches = values.filter(value => value !== '.').map(value => entry(withoutLastDot(value)))
    } else if (keyword === 'options') {
      for (const value of values) options.set(optionName(value), entry(value))
    }
  }
  return { nameservers, searches, options: [...options.values()] }
}

/**
 * The file a container runtime writes for a pod (CRI DNSConfig): one search line, a line for each nameserver, one options
 * line. Empty for an empty configuration; the runtime then copies the node's file.
 */
export function renderResolvConf({ nameservers, searches, options }: NodeResolver): string {
  const values = (entries: readonly Entry[]) => entries.map(({ value }) => value).join(' ')
  return [
    ...(searches.length > 0 ? [`search ${values(searches)}\n`] : []),
    ...nameservers.map(({ value }) => `nameserver ${value}\n`),
    ...(options.length > 0 ? [`options ${values(options)}\n`] : []),
  ].join('')
}

/** The part of an option before its first colon: `ndots` of `ndots:5`. */
export const optionName = (option: string): string => option.split(':', 1)[0] as string

const withoutLastDot = (name: string): string => (name.endsWith('.') ? name.slice(0, -1) : name)
