import { familyOf, ipToBytes, parseIp } from '#net/ip.ts'
import type { WireWriter } from '../wire/writer.ts'
import { type Fields, octetsOf } from './fields.ts'
import { ZoneFileError } from './zone-file-error.ts'

/** Keys of SVCB and HTTPS records (RFC 9460 section 14.3.2). */
const KEYS = ['mandatory', 'alpn', 'no-default-alpn', 'port', 'ipv4hint', 'ech', 'ipv6hint']

/** Writes what is left of the fields as `key=value` parameters, by ascending key (RFC 9460 section 2.2). */
export function writeServiceParameters(writer: WireWriter, fields: Fields): void {
  const parameters = new Map<number, Uint8Array>()
  while (fields.remaining > 0) {
    const [, key = '', value = ''] = /^([^=]+)(?:=(.*))?$/s.exec(parameterText(fields)) ?? []
    const number = keyNumber(key)
    if (parameters.has(number)) throw new ZoneFileError(`parameter ${key} stands twice`)
    parameters.set(number, valueOf(key, value))
  }
  for (const [number, octets] of [...parameters].sort(([a], [b]) => a - b)) {
    writer.u16(number)
    writer.u16(octets.length)
    writer.bytes(octets)
  }
}

/** The lexer parts `key="value"` into two words. */
function parameterText(fields: Fields): string {
  const text = fields.word('a parameter')
  return text.endsWith('=') && fields.peek()?.quoted === true ? text + fields.word('') : text
}

function keyNumber(key: string): number {
  const known = KEYS.indexOf(key)
  if (known >= 0) return known
  const [, digits] = /^key(\d{1,5})$/.exec(key) ?? []
  if (digits !== undefined && Number(digits) < 0xffff) return Number(digits)
  throw new ZoneFileError(`'${key}' is no service parameter, there are: ${KEYS.join(', ')}, keyN`)
}

function valueOf(key: string, value: string): Uint8Array {
  const list = value.split(',')
  switch (key) {
    case 'mandatory': {
      const numbers = list.map(keyNumber).sort((a, b) => a - b)
      return Uint8Array.from(numbers.flatMap(number => [number >> 8, number & 0xff]))
    }
    case 'alpn':
      return Buffer.concat(list.map(id => Buffer.from([id.length, ...octetsOf(id)])))
    case 'port':
      if (!/^\d{1,5}$/.test(value) || Number(value) > 0xffff) fail(key, value)
      return Uint8Array.of(Number(value) >> 8, Number(value) & 0xff)
    case 'ipv4hint':
      return Buffer.concat(list.map(text => addressOctets(text, 4)))
    case 'ipv6hint':
      return Buffer.concat(list.map(text => addressOctets(text, 6)))
    case 'ech':
      return Buffer.from(value, 'base64')
    default:
      return octetsOf(value)
  }
}

function addressOctets(text: string, family: 4 | 6): Uint8Array {
  const address = parseIp(text)
  if (address === undefined || familyOf(address) !== family) fail(`ipv${family}hint`, text)
  return ipToBytes(address)
}

function fail(key: string, value: string): never {
  throw new ZoneFileError(`'${value}' is no value of ${key}`)
}
