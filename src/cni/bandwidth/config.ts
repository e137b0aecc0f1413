import {
  type ConfigObject,
  fieldPath,
  integerField,
  invalid,
  objectAt,
  stringsField,
} from '../spec/config-object.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { CniConfig } from '../spec/plugin.ts'

/** How fast one direction may be. */
export type Limit = {
  /** Bytes per second. */
  readonly rate: number
  /** Bytes that may pass at once. */
  readonly burst: number
}

/** The container's limits; undefined: none. */
export type BandwidthConfig = {
  /** Of what goes to the container. */
  readonly ingress: Limit | undefined
  /** Of what comes from it. */
  readonly egress: Limit | undefined
}

const keys = ['ingressRate', 'ingressBurst', 'egressRate', 'egressBurst'] as const

/** Bursts are kept in 32 bits of bytes. Runtimes send (2^32 − 1) · 8 − 1 bits when nobody said one. */
const MAX_BURST_BYTES = 0xffffffff

/**
 * The limits of the configuration; only where it has none at all, those of runtimeConfig.bandwidth.
 * @throws {CniError} code 2, 6 or 7
 */
export function bandwidthConfigFrom({ fields }: CniConfig): BandwidthConfig {
  // Read before it is known whether it counts, so that what is malformed is always an error.
  const runtime = objectAt(fields, 'runtimeConfig', 'bandwidth')
  const ofRuntime = runtime === undefined ? undefined : limitsOf(runtime)
  const isStatic = keys.some(key => fields.values.has(key.toLowerCase()))
  return isStatic || ofRuntime === undefined ? limitsOf(fields) : ofRuntime
}

function limitsOf(object: ConfigObject): BandwidthConfig {
  for (const key of ['shapedSubnets', 'unshapedSubnets']) {
    if (stringsField(object, key).length === 0) continue
    const path = fieldPath(object, key)
    throw new CniError(cniCodes.unsupportedField, `${path}: not supported, all traffic is limited`)
  }
  return {
    ingress: limitOf(object, 'ingressRate', 'ingressBurst'),
    egress: limitOf(object, 'egressRate', 'egressBurst'),
  }
}

/** From bits to bytes. */
function limitOf(object: ConfigObject, rateKey: string, burstKey: string): Limit | undefined {
  const [rateBits, burstBits] = [bitsOf(object, rateKey), bitsOf(object, burstKey)]
  if (rateBits === 0 && burstBits === 0) return undefined
  if (burstBits === 0) throw invalid(object, burstKey, `must be set when ${rateKey} is`)
  if (rateBits === 0) throw invalid(object, rateKey, `must be set when ${burstKey} is`)
  const [rate, burst] = [Math.floor(rateBits / 8), Math.floor(burstBits / 8)]
  if (rate === 0) throw invalid(object, rateKey, `${rateBits} is less than 8 bits a second`)
  if (burst === 0) throw invalid(object, burstKey, `${burstBits} is less than 8 bits`)
  if (burst >= MAX_BURST_BYTES) throw invalid(object, burstKey, `${burstBits} is more than 4 GB`)
  return { rate, burst }
}

function bitsOf(object: ConfigObject, key: string): number {
  const bits = integerField(object, key) ?? 0
  if (bits < 0) throw invalid(object, key, `${bits} is negative`)
  return bits
}
