import { addressBits, type IpFamily, ipFromBytes, ipToBytes } from '#net/ip.ts'
import type { IpPrefix } from '#net/prefix.ts'
import { addressFamily } from './address.ts'
import { decodeAttributes, encodeAttributes, readUint, u32Attribute } from './attribute.ts'
import { isExists, isNotFound } from './error.ts'
import { Flag } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

/** linux/rtnetlink.h */
const RTM_NEWRULE = 32
const RTM_DELRULE = 33
const RTM_GETRULE = 34

/** FRA_… (linux/fib_rules.h) */
const Fra = { source: 2, priority: 6, table: 15 } as const
/** FR_ACT_TO_TBL: the route is looked up in a table. */
const FR_ACT_TO_TABLE = 1
/** Bytes of struct fib_rule_hdr. */
const RULE_HEADER_BYTES = 12

/** A rule that says which table routes packets are looked up in. */
export type Rule = {
  readonly family: IpFamily
  /** Where the packets come from; undefined: anywhere. */
  readonly source: IpPrefix | undefined
  readonly table: number
  /** The lowest is asked first; when not given, the kernel puts the rule before those that have one above 0. */
  readonly priority?: number | undefined
}

/** The payload of RTM_NEWRULE and RTM_DELRULE: struct fib_rule_hdr, then attributes. */
export function encodeRule({ family, source, table, priority }: Rule): Buffer {
  const header = Buffer.alloc(RULE_HEADER_BYTES)
  header[0] = addressFamily(family)
  header[2] = source?.length ?? 0
  header[4] = table < 256 ? table : 0
  header[7] = FR_ACT_TO_TABLE
  const attributes = [u32Attribute(Fra.table, table)]
  if (source !== undefined) {
    attributes.unshift({ type: Fra.source, value: ipToBytes(source.address) })
  }
  if (priority !== undefined) attributes.push(u32Attribute(Fra.priority, priority))
  return Buffer.concat([header, encodeAttributes(attributes)])
}

/** The rule that an RTM_NEWRULE message describes; undefined for one that does not lead to a table. */
export function decodeRule(payload: Buffer): Rule | undefined {
  const family = ([4, 6] as const).find(each => addressFamily(each) === payload[0])
  if (family === undefined || payload[7] !== FR_ACT_TO_TABLE) return undefined
  const attributes = decodeAttributes(payload.subarray(RULE_HEADER_BYTES))
  const source = attributes.get(Fra.source)
  return {
    family,
    source:
      source === undefined || source.length * 8 !== addressBits(family)
        ? undefined
        : { family, address: ipFromBytes(source), length: payload.readUInt8(2) },
    table: readUint(attributes, Fra.table) ?? payload.readUInt8(4),
    priority: readUint(attributes, Fra.priority) ?? 0,
  }
}

/** The rules of a family that lead to tables. @throws {NetlinkError} */
export async function listRules(socket: NetlinkSocket, family: IpFamily): Promise<readonly Rule[]> {
  const payload = Buffer.alloc(RULE_HEADER_BYTES)
  payload[0] = addressFamily(family)
  const operation = `list IPv${family} rules`
  const messages = await socket.dump({ operation, type: RTM_GETRULE, payload })
  return messages.flatMap(message => decodeRule(message.payload) ?? [])
}

const describe = ({ source, table }: Rule): string =>
  `rule from ${source === undefined ? 'all' : `${source.address}/${source.length}`} to table ${table}`

/** Adds a rule; false when there is an equal one. @throws {NetlinkError} */
export async function addRule(socket: NetlinkSocket, rule: Rule): Promise<boolean> {
  try {
    await socket.request({
      operation: `add ${describe(rule)}`,
      type: RTM_NEWRULE,
      flags: Flag.create | Flag.exclusive,
      payload: encodeRule(rule),
    })
    return true
  } catch (error) {
    if (isExists(error)) return false
    throw error
  }
}

/** Removes a rule; false when there is none. @throws {NetlinkError} */
export async function removeRule(socket: NetlinkSocket, rule: Rule): Promise<boolean> {
  try {
    await socket.request({
      operation: `remove ${describe(rule)}`,
      type: RTM_DELRULE,
      payload: encodeRule(rule),
    })
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}
