import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type IpAddress, ipToNumber, parseIp } from '#net/ip.ts'
import {
  type ConfigObject,
  configObjectFrom,
  objectField,
  objectsField,
  stringField,
} from '../spec/config-object.ts'
import type { CniConfig } from '../spec/plugin.ts'
import type { Holder } from './allocator.ts'
import { hostLocalConfigFrom, storeFolderOf } from './config.ts'
import { formatRangeSet, type RangeSet, rangeContains } from './range.ts'
import { holderFrom } from './store.ts'

/** An address that somebody has. */
export type Lease = Holder & { readonly address: IpAddress }

/** What host-local hands out for a network, and what it has handed out. */
export type LeaseStore = {
  readonly network: string
  readonly folder: string
  readonly ranges: readonly LeaseRange[]
  /** In the order of their addresses; those of no range among them. */
  readonly leases: readonly Lease[]
}

export type LeaseRange = {
  /** `START-END`, joined by commas. */
  readonly range: string
  /** Addresses, the gateways left out, which are never handed out. */
  readonly size: number
  readonly leased: readonly IpAddress[]
}

/**
 * The stores of the networks that a folder configures, read without their lock: nothing is changed.
 * @param onBad told of files that are no configurations.
 */
export function readLeaseStores(
  confDir: string,
  onBad: (file: string, error: unknown) => void,
): readonly LeaseStore[] {
  const stores = configFiles(confDir).flatMap(file => {
    try {
      return networksIn(readFileSync(file, 'utf8')).map(storeOf)
    } catch (error) {
      onBad(file, error)
      return []
    }
  })
  // Several files, and several plugins of one, may share a store.
  return [...new Map(stores.map(store => [store.folder, store])).values()]
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

function storeOf(config: CniConfig): LeaseStore {
  const folder = storeFolderOf(config)
  const leases = leasesIn(folder)
  const ranges = hostLocalConfigFrom(config).rangeSets.map(set => ({
    range: formatRangeSet(set),
    size: sizeOf(set),
    leased: leases
      .map(({ address }) => address)
      .filter(address => set.some(range => rangeContains(range, address))),
  }))
  return { network: config.name, folder, ranges, leases }
}

function sizeOf(set: RangeSet): number {
  const sizes = set.map(range => {
    const whole = range.end - range.start + 1n
    const gateway = ipToNumber(range.gateway)
    return whole - (gateway >= range.start && gateway <= range.end ? 1n : 0n)
  })
  return Number(sizes.reduce((sum, size) => sum + size, 0n))
}

function leasesIn(folder: string): readonly Lease[] {
  return filesIn(folder)
    .flatMap(name => {
      const address = parseIp(name)
      const holder = address === name ? holderFrom(textOf(join(folder, name))) : undefined
      return address === undefined || holder === undefined ? [] : [{ address, ...holder }]
    })
    .toSorted((a, b) => {
      const [one, other] = [ipToNumber(a.address), ipToNumber(b.address)]
      return one < other ? -1 : Number(one > other)
    })
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Empty when it has been given back meanwhile. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
