import { addressBits, familyOf, type IpAddress, ipToBytes } from '#net/ip.ts'
import { networkOf } from '#net/prefix.ts'
import { parseInteger } from '../../corefile/arguments.ts'
import type { Edns, EdnsOption, Query, Reply } from '../../message.ts'
import { recordTypes } from '../../wire/mnemonics.ts'
import type { ParsedRule } from './rule.ts'

type Action = 'set' | 'append' | 'replace' | 'unset'

const ACTIONS: readonly string[] = ['set', 'append', 'replace', 'unset']

/** EDNS option codes: RFC 5001 section 4, RFC 7871 section 6. */
const NSID = 3
const SUBNET = 8

/** What a query that had no OPT record says that it takes, octets: what fits into every path's packets. */
const UDP_SIZE = 1232

/** Reads `local|nsid|subnet ACTION … [revert]`. A string says what is wrong. */
export function parseEdnsRule(words: readonly string[]): ParsedRule | string {
  const reverts = words.at(-1) === 'revert'
  const [kind = '', action = '', ...args] = reverts ? words.slice(0, -1) : words
  if (!ACTIONS.includes(action)) return `edns0 needs one of ${ACTIONS.join(', ')} after its kind`
  const option = optionOf(kind, action as Action, args)
  if (typeof option === 'string') return option
  return query => {
    const options = changed(query, action as Action, option)
    if (options === undefined) return undefined
    return {
      query: { ...query, edns: { ...(query.edns ?? NO_EDNS), options } },
      ...(reverts ? { onReply: (reply: Reply) => reverted(reply, query, option.code) } : {}),
    }
  }
}

const NO_EDNS: Edns = { version: 0, udpSize: UDP_SIZE, dnssecOk: false, options: [] }

type OptionMaker = { readonly code: number; readonly data: (query: Query) => Uint8Array }

function optionOf(kind: string, action: Action, args: readonly string[]): OptionMaker | string {
  const isUnset = action === 'unset'
  if (kind === 'nsid') {
    return args.length === 0
      ? { code: NSID, data: () => new Uint8Array() }
      : 'edns0 nsid takes no data'
  }
  if (kind === 'subnet') {
    const [v4, v6] = [parseInteger(args[0], 0, 32), parseInteger(args[1], 0, 128)]
    if (isUnset && args.length === 0) return { code: SUBNET, data: () => new Uint8Array() }
    if (v4 === undefined || v6 === undefined || args.length !== 2) {
      return 'edns0 subnet needs the lengths of IPv4 and IPv6 prefixes, e.g. 24 56'
    }
    return { code: SUBNET, data: ({ client }) => subnet(client.address, { 4: v4, 6: v6 }) }
  }
  if (kind !== 'local') return `edns0 knows local, nsid and subnet, not '${kind}'`
  const [codeText = '', text, ...more] = args
  const code = /^(?:0x[0-9a-f]{1,4}|\d{1,5})$/i.test(codeText) ? Number(codeText) : Number.NaN
  if (!(code <= 0xffff) || more.length > 0 || (text === undefined) !== isUnset) {
    return 'edns0 local needs a code and, but for unset, data: edns0 local set 0xffee {client_ip}'
  }
  const data = localData(text ?? '')
  return typeof data === 'string' ? data : { code, data }
}

const number16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff)

const texts = (text: string): Uint8Array => new TextEncoder().encode(text)

/** What stands in braces. Other words with a slash are labels of `metadata`. */
const variables: Readonly<Record<string, (query: Query) => Uint8Array>> = {
  qname: ({ question }) => texts(question.name.toLowerCase()),
  qtype: ({ question }) => number16(recordTypes.toNumber(question.type) ?? 0),
  client_ip: ({ client }) => ipToBytes(client.address),
  client_port: ({ client }) => number16(client.port),
  protocol: ({ transport }) => texts(transport),
  server_ip: ({ server }) => ipToBytes(server.address),
  server_port: ({ server }) => number16(server.port),
}

function localData(text: string): OptionMaker['data'] | string {
  const [, name] = /^\{(.+)\}$/s.exec(text) ?? []
  if (name !== undefined) {
    const variable = Object.hasOwn(variables, name) ? variables[name] : undefined
    if (variable !== undefined) return variable
    if (!name.includes('/')) return `'{${name}}' is none of ${Object.keys(variables).join(', ')}`
    return ({ trace }) => texts(trace?.metadata?.get(name)?.() ?? '')
  }
  if (!text.startsWith('0x')) return () => texts(text)
  if (!/^0x(?:[0-9a-f]{2})*$/i.test(text)) return `'${text}' is not hexadecimal`
  const octets = Uint8Array.fromHex(text.slice(2))
  return () => octets
}

/** Family, source prefix length, scope 0, and as many octets of the address as the prefix needs (RFC 7871 section 6). */
function subnet(address: IpAddress, lengths: Readonly<Record<4 | 6, number>>): Uint8Array {
  const family = familyOf(address)
  const length = Math.min(lengths[family], addressBits(family))
  const network = ipToBytes(networkOf({ family, address, length }).address)
  const octets = network.subarray(0, Math.ceil(length / 8))
  return Uint8Array.from([0, family === 4 ? 1 : 2, length, 0, ...octets])
}

/** The query's options after the action; undefined: it does not apply. */
function changed(
  query: Query,
  action: Action,
  { code, data }: OptionMaker,
): readonly EdnsOption[] | undefined {
  const options = query.edns?.options ?? []
  const isThere = options.some(option => option.code === code)
  const others = options.filter(option => option.code !== code)
  if (action === 'unset') return isThere ? others : undefined
  if (action === 'append' ? isThere : action === 'replace' && !isThere) return undefined
  return [...others, { code, data: data(query) }]
}

/** What the client did not send it does not get back. */
function reverted(reply: Reply, { edns }: Query, code: number): Reply {
  const own = edns?.options.filter(option => option.code === code) ?? []
  const others = reply.ednsOptions.filter(option => option.code !== code)
  return { ...reply, ednsOptions: [...others, ...own] }
}
