import { familyOf, type IpAddress, type IpFamily } from '#net/ip.ts'
import type { Protocol } from '#net/protocol.ts'
import {
  booleanField,
  type ConfigObject,
  integerField,
  invalid,
  ipField,
  objectField,
  objectsField,
  stringField,
  stringsField,
} from '../spec/config-object.ts'
import type { CniConfig } from '../spec/plugin.ts'

/** A port of the host that leads to one of the container. */
export type PortMapping = {
  readonly protocol: Protocol
  readonly hostPort: number
  readonly containerPort: number
  /** The only address of the host that is meant; undefined: all of the families that {@link families} says. */
  readonly hostIP: IpAddress | undefined
  /** An unspecified address means all addresses of its family. */
  readonly families: readonly IpFamily[]
}

export type PortmapBackend = 'iptables' | 'nftables'

export type PortmapConfig = {
  readonly mappings: readonly PortMapping[]
  readonly backend: PortmapBackend
  /** Is the source hidden from the container where its answer would miss the host: neighbours, and loopback? */
  readonly snat: boolean
  /** Is every source hidden? */
  readonly masqAll: boolean
  /** Words that a packet must match besides, in the backend's language. */
  readonly conditions: Readonly<Record<IpFamily, readonly string[]>>
  /** For iptables: the bit that marks what is to be masqueraded, or a chain of somebody else's that marks it. */
  readonly markBit: number
  readonly setMarkChain: string | undefined
}

/** @throws {CniError} code 6 or 7 */
export function portmapConfigFrom({ fields }: CniConfig): PortmapConfig {
  const conditions = {
    4: stringsField(fields, 'conditionsV4'),
    6: stringsField(fields, 'conditionsV6'),
  }
  const setMarkChain = stringField(fields, 'externalSetMarkChain') || undefined
  const language = languageOf(fields, conditions, setMarkChain)
  return {
    mappings: mappingsOf(fields),
    backend: backendOf(fields, language),
    snat: booleanField(fields, 'snat') ?? true,
    masqAll: booleanField(fields, 'masqAll') ?? false,
    conditions,
    markBit: markBitOf(fields, setMarkChain),
    setMarkChain,
  }
}

/** The mappings of `runtimeConfig.portMappings`. @throws {CniError} code 6 or 7 */
export function mappingsOf(fields: ConfigObject): readonly PortMapping[] {
  const runtimeConfig = objectField(fields, 'runtimeConfig')
  return runtimeConfig === undefined
    ? []
    : objectsField(runtimeConfig, 'portMappings').map(mappingFrom)
}

const protocols: Readonly<Record<string, Protocol>> = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' }

function mappingFrom(object: ConfigObject): PortMapping {
  const text = stringField(object, 'protocol') || 'tcp'
  const protocol = protocols[text.toLowerCase()]
  if (protocol === undefined) {
    throw invalid(object, 'protocol', `'${text}' is none of tcp, udp, sctp`)
  }
  const ip = ipField(object, 'hostIP')
  const isAny = ip === '0.0.0.0' || ip === '::'
  return {
    protocol,
    hostPort: portOf(object, 'hostPort'),
    containerPort: portOf(object, 'containerPort'),
    hostIP: isAny ? undefined : ip,
    families: ip === undefined ? [4, 6] : [familyOf(ip)],
  }
}

function portOf(object: ConfigObject, key: string): number {
  const port = integerField(object, key) ?? 0
  if (port < 1 || port > 65_535) throw invalid(object, key, `${port} is no port, 1–65535`)
  return port
}

/** The backend whose language conditions and the chain are written in; undefined where they leave it open. */
function languageOf(
  fields: ConfigObject,
  conditions: PortmapConfig['conditions'],
  setMarkChain: string | undefined,
): PortmapBackend | undefined {
  const found = new Set<PortmapBackend>(setMarkChain === undefined ? [] : ['iptables'])
  for (const [family, words] of Object.entries(conditions)) {
    const [first] = words
    if (first !== undefined) found.add(/^[-!]/.test(first) ? 'iptables' : 'nftables')
    const bad = words.find(word => /[;\n\r#{}"'\\]/.test(word))
    if (bad !== undefined) {
      throw invalid(fields, `conditionsV${family}`, `${JSON.stringify(bad)} is no word of a rule`)
    }
  }
  if (found.size > 1) {
    throw invalid(fields, 'conditionsV4', 'mixes the languages of iptables and nftables')
  }
  return [...found][0]
}

function backendOf(fields: ConfigObject, language: PortmapBackend | undefined): PortmapBackend {
  const text = stringField(fields, 'backend') ?? ''
  // Packets fare the same; nftables takes one program run instead of several.
  if (text === '') return language ?? 'nftables'
  if (text !== 'iptables' && text !== 'nftables') {
    throw invalid(fields, 'backend', `'${text}' is neither iptables nor nftables`)
  }
  if (language !== undefined && language !== text) {
    throw invalid(
      fields,
      'backend',
      `${text}, but conditions or externalSetMarkChain are of ${language}`,
    )
  }
  return text
}

const DEFAULT_MARK_BIT = 13

function markBitOf(fields: ConfigObject, setMarkChain: string | undefined): number {
  const bit = integerField(fields, 'markMasqBit')
  if (bit === undefined) return DEFAULT_MARK_BIT
  if (setMarkChain !== undefined) {
    throw invalid(fields, 'markMasqBit', 'excludes externalSetMarkChain: give one of both')
  }
  if (bit < 0 || bit > 31) throw invalid(fields, 'markMasqBit', `${bit} is no bit, 0–31`)
  return bit
}
