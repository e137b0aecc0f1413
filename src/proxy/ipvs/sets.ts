import { entryText, type Ipset, type IpsetEntry, type IpsetType } from '#linux/ipset.ts'
import type { IpFamily } from '#net/ip.ts'

export { entryText, type Ipset, type IpsetEntry } from '#linux/ipset.ts'

/** The sets, by their names without prefix, and what is in them (kube-proxy's names and types). */
export const setTypes = {
  'CLUSTER-IP': 'hash:ip,port',
  'LOOP-BACK': 'hash:ip,port,ip',
  'EXTERNAL-IP': 'hash:ip,port',
  'EXTERNAL-IP-LOCAL': 'hash:ip,port',
  'LOAD-BALANCER': 'hash:ip,port',
  'LOAD-BALANCER-LOCAL': 'hash:ip,port',
  'LOAD-BALANCER-FW': 'hash:ip,port',
  'LOAD-BALANCER-SOURCE-CIDR': 'hash:ip,port,net',
  'LOAD-BALANCER-SOURCE-IP': 'hash:ip,port,ip',
  'NODE-PORT-TCP': 'bitmap:port',
  'NODE-PORT-LOCAL-TCP': 'bitmap:port',
  'NODE-PORT-UDP': 'bitmap:port',
  'NODE-PORT-LOCAL-UDP': 'bitmap:port',
  'NODE-PORT-SCTP-HASH': 'hash:ip,port',
  'NODE-PORT-LOCAL-SCTP-HASH': 'hash:ip,port',
  'HEALTH-CHECK-NODE-PORT': 'bitmap:port',
  'IPVS-IPS': 'hash:ip',
} as const satisfies Record<string, IpsetType>

export type SetKind = keyof typeof setTypes

export const setKinds = Object.keys(setTypes) as readonly SetKind[]

/** Longest name of a set (IPSET_MAXNAMELEN less the ending zero). */
const MAX_NAME_LENGTH = 31

/** The name of a set of one family. */
export const setName = (kind: SetKind, family: IpFamily): string =>
  `KUBE-${family === 6 ? '6-' : ''}${kind}`.slice(0, MAX_NAME_LENGTH)

export function setOf(kind: SetKind, family: IpFamily): Ipset {
  const type = setTypes[kind]
  return { name: setName(kind, family), type, family: type === 'bitmap:port' ? undefined : family }
}

/** A member of one of the sets. */
export type Member = { readonly set: SetKind; readonly entry: IpsetEntry }

/** Equal for equal members of a set. */
export const memberKey = ({ set, entry }: Member): string => `${set} ${entryText(entry)}`
