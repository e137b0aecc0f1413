import * as z from 'zod'
import { formatHostPort, type IpAddress, parseIpLenient } from '#net/ip.ts'
import { parsePrefixLenient } from '#net/prefix.ts'
import { isPort } from '#net/protocol.ts'
import { formatDuration, parseDuration } from '#runtime/duration.ts'

/** A duration in Go's notation; comes out as Go prints it. */
export const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text)
  if (ms !== undefined) return formatDuration(ms)
  context.addIssue({ code: 'custom', message: `'${text}' is not a duration like 30s or 15m0s` })
  return z.NEVER
})

/** A duration that is not below zero. */
export const positiveDuration = duration.refine(text => !text.startsWith('-'), {
  error: ({ input }) => `${String(input)} is below 0`,
})

/** An IP address; comes out in canonical form. */
export const address = z.string().transform((text, context): IpAddress => {
  const ip = parseIpLenient(text)
  if (ip !== undefined) return ip
  context.addIssue({ code: 'custom', message: `'${text}' is not an IP address` })
  return z.NEVER
})

/**
 * `IP:PORT` or an IP alone, which gets `port`; comes out as `IP:PORT`, IPv6 in brackets. An empty text stays empty: the
 * default, which depends on the bind address.
 */
export const addressWithPort = (port: number) =>
  z.string().transform((text, context): string => {
    if (text === '') return ''
    const parsed = parseAddressWithPort(text, port)
    if (parsed !== undefined) return formatHostPort(parsed.ip, parsed.port)
    context.addIssue({ code: 'custom', message: `'${text}' is not IP:PORT (port 1 to 65535)` })
    return z.NEVER
  })

/** The address and port of `IP:PORT`, `[IPv6]:PORT`, or of an IP alone with `defaultPort`. */
export function parseAddressWithPort(
  text: string,
  defaultPort: number,
): { readonly ip: IpAddress; readonly port: number } | undefined {
  const alone = parseIpLenient(text.replace(/^\[(.*)\]$/, '$1'))
  if (alone !== undefined) return { ip: alone, port: defaultPort }
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*)):([0-9]+)$/.exec(text) ?? []
  const ip = parseIpLenient(bracketed ?? plain ?? '')
  const port = Number(digits)
  return ip !== undefined && isPort(port) ? { ip, port } : undefined
}

/** Is this an address with a prefix length? Leading zeros are let through, as kube-proxy does. */
export const isCidr = (text: string): boolean => parsePrefixLenient(text.trim()) !== undefined

/** What a field of the file may lack, or have as null: it comes out as `value`. */
export const orDefault = <Schema extends z.ZodType, Value>(schema: Schema, value: Value) =>
  schema
    .nullish()
    .transform(
      (given): z.output<Schema> | Value => (given as z.output<Schema> | undefined) ?? value,
    )

/** As {@link orDefault}, and zero or empty means the default too (Go's omitted fields that are no pointers). */
export const orDefaultIfZero = <Schema extends z.ZodType, Value>(schema: Schema, value: Value) =>
  orDefault(schema, value).transform(given =>
    given === 0 || given === '' || given === '0s' ? value : given,
  )

/** A nested object; comes out with all its defaults when it is lacking. */
export const section = <Shape extends z.core.$ZodShape>(shape: Shape) => {
  const object = z.strictObject(shape)
  return object.nullish().transform(given => given ?? object.parse({}))
}
