import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hostLocalConfigFrom, storeFolderOf } from '#cni/host-local/config.ts'
import { formatRangeSet, type RangeSet, rangeContains } from '#cni/host-local/range.ts'
import {
  type ConfigObject,
  configObjectFrom,
  objectField,
  objectsField,
  stringField,
} from '#cni/spec/config-object.ts'
import type { CniConfig } from '#cni/spec/plugin.ts'
import { type IpAddress, ipToNumber, parseIp } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import type { LeaseFacts } from '../facts.ts'
import { namespaceOf, type Surroundings } from './surroundings.ts'

/** The ranges that host-local hands out of on this node, by its configurations, and who holds their addresses. */
export function leaseFacts(surroundings: Surroundings): readonly LeaseFacts[] {
  const { cniConfDir, log } = surroundings
  return configFiles(cniConfDir).flatMap(file => {
    try {
      return networksIn(readFileSync(file, 'utf8')).flatMap(config =>
        leasesOf(config, surroundings),
      )
    } catch (error) {
      log.warn({ file, reason: describeError(error) }, 'network configuration not understood')
      return []
    }
  })
}

function configFiles(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter(name => /\.(conf|conflist|json)$/.test(name))
      .sort()
      .map(name => join(folder, name))
  } catch {
    // No network is configured here.
    return []
  }
}

/** The plugins of a configuration that take their addresses from host-local. */
function networksIn(text: string): readonly CniConfig[] {
  const list = configObjectFrom(JSON.parse(text))
  const name = stringField(list, 'name') ?? ''
  const plugins = list.values.has('plugins') ? objectsField(list, 'plugins') : [list]
  return plugins.filter(usesHostLocal).map(fields => ({
    cniVersion: '1.0.0',
    name,
    type: stringField(fields, 'type') ?? '',
    prevResult: undefined,
    fields,
  }))
}

function usesHostLocal(fields: ConfigObject): boolean {
  const ipam = objectField(fields, 'ipam')
  return ipam !== undefined && stringField(ipam, 'type') === 'host-local'
}

function leasesOf(config: CniConfig, surroundings: Surroundings): readonly LeaseFacts[] {
  const folder = storeFolderOf(config)
  const held = heldIn(folder)
  return hostLocalConfigFrom(config).rangeSets.map(set => {
    const leases = held.filter(ip => set.some(range => rangeContains(range, ip)))
    return {
      network: config.name,
      folder,
      range: formatRangeSet(set),
      size: sizeOf(set),
      leased: leases.length,
      leaked: leases.filter(ip => namespaceOf(surroundings, ip) === undefined),
    }
  })
}

/** Without the gateways, which are never handed out. */
function sizeOf(set: RangeSet): number {
  const sizes = set.map(range => {
    const whole = range.end - range.start + 1n
    const gateway = ipToNumber(range.gateway)
    return whole - (gateway >= range.start && gateway <= range.end ? 1n : 0n)
  })
  return Number(sizes.reduce((sum, size) => sum + size, 0n))
}

/** A file for each address; its lock is not needed to read names. */
function heldIn(folder: string): readonly IpAddress[] {
  try {
    return readdirSync(folder)
      .map(parseIp)
      .filter(ip => ip !== undefined)
  } catch {
    return []
  }
}
