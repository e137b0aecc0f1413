import { type IpAddress, parseIp } from '#net/ip.ts'
import {
  type ConfigObject,
  integerField,
  invalid,
  objectField,
  objectsField,
  stringField,
  stringsField,
} from './config-object.ts'

/** A port of the node that leads to a port of the container. */
export type PortMapping = {
  readonly hostPort: number
  readonly containerPort: number
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  /** The node's address it is for; undefined for all. */
  readonly hostIP: IpAddress | undefined
}

/** Limits as the runtime wishes them: rates in bits per second, bursts in bits; 0 is none. */
export type Bandwidth = {
  readonly ingressRate: number
  readonly ingressBurst: number
  readonly egressRate: number
  readonly egressBurst: number
}

/**
 * What the runtime tells the plugins that declare a capability (CNI conventions, "dynamic plugin specific fields"). ipRanges
 * are read by host-local, whose format they are.
 */
export type RuntimeConfig = {
  readonly portMappings: readonly PortMapping[]
  readonly bandwidth: Bandwidth | undefined
  /** Addresses wanted, with or without `/LENGTH`; as written. */
  readonly ips: readonly string[]
  /** As written; empty for no wish. */
  readonly mac: string
  /** For information: what the runtime will write into the container's resolv.conf. */
  readonly dns:
    | {
        readonly servers: readonly string[]
        readonly searches: readonly string[]
        readonly options: readonly string[]
      }
    | undefined
  /** Other names of the container in its network. */
  readonly aliases: readonly string[]
}

/**
 * Reads `runtimeConfig`; capabilities that are not known are passed over.
 * @throws {CniError} code 6 (types) or 7 (values), with the field's path.
 */
export function runtimeConfigFrom(fields: ConfigObject): RuntimeConfig {
  const object = objectField(fields, 'runtimeConfig') ?? { path: '', values: new Map() }
  const bandwidth = objectField(object, 'bandwidth')
  const dns = objectField(object, 'dns')
  return {
    portMappings: objectsField(object, 'portMappings').map(portMappingFrom),
    bandwidth: bandwidth && bandwidthFrom(bandwidth),
    ips: stringsField(object, 'ips'),
    mac: stringField(object, 'mac') ?? '',
    dns: dns && {
      servers: stringsField(dns, 'servers'),
      searches: stringsField(dns, 'searches'),
      options: stringsField(dns, 'options'),
    },
    aliases: stringsField(object, 'aliases'),
  }
}

function portMappingFrom(object: ConfigObject): PortMapping {
  const protocol = (stringField(object, 'protocol') || 'tcp').toLowerCase()
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
    throw invalid(object, 'protocol', `'${protocol}' is neither tcp, udp nor sctp`)
  }
  const text = stringField(object, 'hostIP') ?? ''
  const hostIP = parseIp(text)
  if (text !== '' && hostIP === undefined) {
    throw invalid(object, 'hostIP', `'${text}' is not an IP address`)
  }
  return {
    // A container port without one on the host is exposed, not published: 0.
    hostPort: portField(object, 'hostPort', 0),
    containerPort: portField(object, 'containerPort', 1),
    protocol,
    hostIP,
  }
}

function portField(object: ConfigObject, key: string, least: 0 | 1): number {
  const port = integerField(object, key) ?? 0
  if (port >= least && port <= 65535) return port
  throw invalid(object, key, `${port} is no port, ${least}–65535`)
}

function bandwidthFrom(object: ConfigObject): Bandwidth {
  const limit = (key: string): number => {
    const value = integerField(object, key) ?? 0
    if (value < 0) throw invalid(object, key, `${value} is below 0`)
    return value
  }
  return {
    ingressRate: limit('ingressRate'),
    ingressBurst: limit('ingressBurst'),
    egressRate: limit('egressRate'),
    egressBurst: limit('egressBurst'),
  }
}
