import type { ResourceRecord } from '../message.ts'
import { classes, recordTypes } from '../wire/mnemonics.ts'
import { absoluteName, Fields, parseTtl } from './fields.ts'
import { lexEntries, type Word } from './lexer.ts'
import { parseRdata } from './rdata.ts'
import { ZoneFileError } from './zone-file-error.ts'

export type RecordDefaults = {
  /** Names without a final dot are below it. */
  readonly origin: string
  /** Of records that name no TTL, seconds; undefined: a TTL must stand there. */
  readonly ttl: number | undefined
  /** The owner of entries that begin with a blank; undefined: there is none yet. */
  readonly owner?: string | undefined
}

/**
 * The record of one entry: `[owner] [ttl] [class] type data`, TTL and class in either order (RFC 1035 section 5.1).
 * @throws {ZoneFileError}
 */
export function parseEntry(
  { words, isIndented }: { readonly words: readonly Word[]; readonly isIndented: boolean },
  defaults: RecordDefaults,
): ResourceRecord {
  const [first, ...others] = words
  const name = isIndented ? defaults.owner : absoluteName(first?.text ?? '', defaults.origin)
  if (name === undefined) throw new ZoneFileError('the first record names no owner')
  const rest = isIndented ? [...words] : others
  let ttl = defaults.ttl
  let recordClass = 'IN'
  for (let word = rest[0]; word !== undefined; word = rest[0]) {
    const seconds = parseTtl(word.text)
    const classNumber = classes.toNumber(word.text)
    if (seconds !== undefined) ttl = seconds
    else if (classNumber !== undefined && word.text.toUpperCase() !== 'ANY') {
      recordClass = classes.toText(classNumber)
    } else break
    rest.shift()
  }
  const typeText = rest.shift()?.text ?? ''
  const number = recordTypes.toNumber(typeText)
  if (number === undefined) throw new ZoneFileError(`'${typeText}' is no record type`)
  const type = recordTypes.toText(number)
  const data = parseRdata(type, new Fields(rest, defaults.origin))
  if (ttl === undefined && type === 'SOA') ttl = (data as { minimum: number }).minimum
  if (ttl === undefined) throw new ZoneFileError('no TTL, and no $TTL stands before')
  return { name, type, class: recordClass, ttl, data } as ResourceRecord
}

/** The one record in a text; names in it are absolute with or without their final dot. @throws {ZoneFileError} */
export function parseRecord(text: string, defaultTtl = 3600): ResourceRecord {
  const [entry, ...more] = [...lexEntries(text)]
  if (entry === undefined || more.length > 0) {
    throw new ZoneFileError(
      `${more.length === 0 ? 'no record' : 'more than one record'} in '${text}'`,
    )
  }
  return parseEntry({ ...entry, isIndented: false }, { origin: '.', ttl: defaultTtl })
}
