import { familyOf, type IpAddress, type IpFamily, parseIp } from '#net/ip.ts'
import { joinName } from '../name.ts'
import { recordTypes } from '../wire/mnemonics.ts'
import { labelsOf, nameOf } from '../wire/name.ts'
import { WireError } from '../wire/wire-error.ts'
import type { Word } from './lexer.ts'
import { ZoneFileError } from './zone-file-error.ts'

/** The words of one record, taken from left to right as what its type says they are. */
export class Fields {
  readonly #words: readonly Word[]
  readonly #origin: string
  #at = 0

  /** @param origin what names without a final dot are below; ends in a dot. */
  constructor(words: readonly Word[], origin: string) {
    this.#words = words
    this.#origin = origin
  }

  get remaining(): number {
    return this.#words.length - this.#at
  }

  /** The next word as it stands, without taking it. */
  peek(): Word | undefined {
    return this.#words[this.#at]
  }

  word(what: string): string {
    const word = this.#words[this.#at++]
    if (word === undefined) throw new ZoneFileError(`${what} is missing`)
    return word.text
  }

  name(what = 'a name'): string {
    return absoluteName(this.word(what), this.#origin)
  }

  number(what: string, max: number): number {
    const text = this.word(what)
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    if (value <= max) return value
    throw new ZoneFileError(`'${text}' is no ${what}, use 0 to ${max}`)
  }

  /** Seconds, or a sum of times with units as `1h30m`. */
  seconds(what: string): number {
    const text = this.word(what)
    const seconds = parseTtl(text)
    if (seconds === undefined) throw new ZoneFileError(`'${text}' is no ${what}`)
    return seconds
  }

  address(family: IpFamily): IpAddress {
    const text = this.word('an address')
    const address = parseIp(text)
    if (address !== undefined && familyOf(address) === family) return address
    throw new ZoneFileError(`'${text}' is no IPv${family} address`)
  }

  /** A character-string: at most 255 octets. */
  string(what: string): Uint8Array {
    const text = this.word(what)
    const octets = octetsOf(text)
    if (octets.length > 255) throw new ZoneFileError(`${what} is longer than 255 octets`)
    return octets
  }

  type(): number {
    const text = this.word('a record type')
    const number = recordTypes.toNumber(text)
    if (number === undefined) throw new ZoneFileError(`'${text}' is no record type`)
    return number
  }

  /** All that is left, joined. */
  rest(): string {
    const text = this.#words
      .slice(this.#at)
      .map(word => word.text)
      .join('')
    this.#at = this.#words.length
    return text
  }

  base64(what: string): Uint8Array {
    return decoded(what, this.rest(), text => Uint8Array.fromBase64(text))
  }

  hex(what: string): Uint8Array {
    return decoded(what, this.rest(), text => Uint8Array.fromHex(text))
  }
}

function decoded(what: string, text: string, decode: (text: string) => Uint8Array): Uint8Array {
  try {
    return decode(text)
  } catch {
    throw new ZoneFileError(`'${text.slice(0, 40)}' is no ${what}`)
  }
}

/** The name that a text means below `origin`. @throws {ZoneFileError} */
export function absoluteName(text: string, origin: string): string {
  if (text === '@') return origin
  try {
    const isAbsolute = /(?:^|[^\\])(?:\\\\)*\.$/s.test(text)
    return nameOf(labelsOf(isAbsolute ? text : joinName(text, origin)))
  } catch (error) {
    if (error instanceof WireError) throw new ZoneFileError(error.message, { cause: error })
    throw error
  }
}

/** The octets of a word: `\DDD` is one octet, `\X` is X, other characters are UTF-8. */
export function octetsOf(text: string): Uint8Array {
  if (!text.includes('\\')) return new TextEncoder().encode(text)
  const parts = text.matchAll(/\\([0-9]{3})|\\([\s\S])|[^\\]+/g)
  return Buffer.concat(
    Array.from(parts, ([part, digits, char]) => {
      if (digits === undefined) return Buffer.from(char ?? part)
      if (Number(digits) > 255) throw new ZoneFileError(`'${part}' is no octet`)
      return Buffer.from([Number(digits)])
    }),
  )
}

const unitSeconds: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
}

/** The seconds of a TTL, `3600` or `1h` (BIND's units), or undefined. RFC 2181 section 8: at most 2^31 - 1. */
export function parseTtl(text: string): number | undefined {
  if (!/^(?:\d{1,10}[smhdw]?)+$/i.test(text)) return undefined
  let seconds = 0
  for (const [, amount, unit = 's'] of text.matchAll(/(\d+)([smhdw]?)/gi)) {
    seconds += Number(amount) * (unitSeconds[unit.toLowerCase() || 's'] ?? 1)
  }
  return seconds <= 0x7fffffff ? seconds : undefined
}
