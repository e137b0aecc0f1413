import { normalizeName } from '#dns/name.ts'
import type { Explained } from '#dns/server/explain.ts'
import { recordTypes } from '#dns/wire/mnemonics.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'

/** Who asks when nobody is named: this node. */
const OWN_ADDRESS = '127.0.0.1' as IpAddress

/** The question of `dns-explain`; undefined: it is none. */
export function explainedFrom(query: URLSearchParams): Explained | undefined {
  const name = normalizeName(query.get('name') ?? '')
  const type = (query.get('type') ?? 'A').toUpperCase()
  const client = parseIp(query.get('client') ?? OWN_ADDRESS)
  if (name === undefined || recordTypes.toNumber(type) === undefined || client === undefined) {
    return undefined
  }
  const server = parseIp(query.get('server') ?? '')
  return { question: { name, type, class: 'IN' }, client, server }
}
