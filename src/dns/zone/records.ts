import { familyOf, type IpAddress } from '#net/ip.ts'
import type { ResourceRecord, SoaData } from '../message.ts'
import { joinName } from '../name.ts'
import type { Host } from './find.ts'

/** The highest TTL of an SOA record, seconds. */
const MAX_SOA_TTL = 300

export type AddressType = 'A' | 'AAAA'

export const addressRecord = (name: string, ttl: number, data: IpAddress): ResourceRecord => ({
  name,
  type: familyOf(data) === 4 ? 'A' : 'AAAA',
  class: 'IN',
  ttl,
  data,
})

/** The addresses of one family, each once. */
export function addressRecords(
  addresses: Iterable<IpAddress>,
  { name, type, ttl }: { readonly name: string; readonly type: AddressType; readonly ttl: number },
): readonly ResourceRecord[] {
  const family = type === 'A' ? 4 : 6
  const wanted = new Set<IpAddress>()
  for (const address of addresses) {
    if (familyOf(address) === family) wanted.add(address)
  }
  return Array.from(wanted, address => addressRecord(name, ttl, address))
}

/**
 * One SRV record per target and port with the addresses of all targets as additionals. The weight is 100 divided by the
 * number of hosts, at least 1. As in CoreDNS that is the number before equal records are merged: DNS over UDP and TCP at
 * one port is one record of weight 50.
 * @param zone in the letter case that targets shall have.
 */
export function srvRecords(
  hosts: readonly Host[],
  { name, zone, ttl }: { readonly name: string; readonly zone: string; readonly ttl: number },
): {
  readonly answers: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
} {
  const weight = Math.max(1, Math.floor(100 / hosts.length))
  const answers = new Map<string, ResourceRecord>()
  const additionals = new Map<string, ResourceRecord>()
  for (const { address, port, path } of hosts) {
    if (port === undefined) continue
    const target = joinName(path, zone)
    const data = { priority: 0, weight, port, target }
    answers.set(`${port} ${path}`, { name, type: 'SRV', class: 'IN', ttl, data })
    additionals.set(`${address} ${path}`, addressRecord(target, ttl, address))
  }
  return { answers: [...answers.values()], additionals: [...additionals.values()] }
}

/**
 * The SOA record of a zone, for its apex and for negative answers (RFC 2308 section 3).
 * @param zone in the letter case of the query.
 */
export function soaRecord(zone: string, ttl: number, serial: number): ResourceRecord {
  const data: SoaData = {
    mname: joinName('ns.dns', zone),
    rname: joinName('hostmaster', zone),
    serial,
    refresh: 7200,
    retry: 1800,
    expire: 86400,
    minimum: ttl,
  }
  return { name: zone, type: 'SOA', class: 'IN', ttl: Math.min(ttl, MAX_SOA_TTL), data }
}
