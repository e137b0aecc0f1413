import { formatHostPort, type IpAddress, parseIp } from '#net/ip.ts'
import { isPort } from '#net/protocol.ts'
import { ConfigError } from '#runtime/error.ts'

/** What is asked about. A port is a number or the name of a Service's port; without one all ports are meant. */
export type Target =
  | {
      readonly kind: 'service'
      readonly namespace: string
      readonly name: string
      readonly port?: number | string | undefined
    }
  | { readonly kind: 'name'; readonly name: string; readonly port?: number | string | undefined }
  | { readonly kind: 'address'; readonly address: IpAddress; readonly port?: number | undefined }

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const SERVICE = new RegExp(`^(${LABEL})/(${LABEL})$`)
/** As people type names that a resolver is given; what DNS itself would take is not decided here. */
const NAME = /^[a-z0-9_]([-a-z0-9_.]*[a-z0-9_.])?$/i
const PORT_NAME = new RegExp(`^${LABEL}$`)

/**
 * `NAMESPACE/SERVICE[:PORT]`, `IP[:PORT]` (IPv6 with a port in brackets), or else a name as a program in the pod would ask for
 * it, `NAME[:PORT]`.
 * @throws {ConfigError} it is none of them.
 */
export function parseTarget(text: string): Target {
  const bare = parseIp(text)
  if (bare !== undefined) return { kind: 'address', address: bare }
  const [, bracketed, other = '', portText] =
    /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(text) ?? []
  const port = portText === undefined ? undefined : parsePort(portText, text)
  const address = parseIp(bracketed ?? other)
  if (address !== undefined) {
    if (typeof port === 'string') throw refusal(text)
    return { kind: 'address', address, port }
  }
  const [, namespace, , name] = SERVICE.exec(other) ?? []
  if (namespace !== undefined && name !== undefined)
    return { kind: 'service', namespace, name, port }
  if (bracketed === undefined && NAME.test(other)) return { kind: 'name', name: other, port }
  throw refusal(text)
}

function parsePort(port: string, text: string): number | string {
  if (/^[0-9]+$/.test(port) && isPort(Number(port))) return Number(port)
  if (PORT_NAME.test(port) && !/^[0-9]+$/.test(port)) return port
  throw refusal(text)
}

const refusal = (text: string): ConfigError =>
  new ConfigError([
    {
      field: 'target',
      message: `'${text}' is neither NAMESPACE/SERVICE[:PORT], NAME[:PORT] nor IP[:PORT]`,
    },
  ])

/** The target as it is written. */
export function formatTarget(target: Target): string {
  const { port } = target
  if (target.kind === 'address') {
    return target.port === undefined ? target.address : formatHostPort(target.address, target.port)
  }
  const name = target.kind === 'service' ? `${target.namespace}/${target.name}` : target.name
  return port === undefined ? name : `${name}:${port}`
}
