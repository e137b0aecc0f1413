import { dirname, resolve } from 'node:path'
import { describeError } from '#runtime/error.ts'
import type { ResourceRecord } from '../message.ts'
import { absoluteName, parseTtl } from './fields.ts'
import { generated } from './generate.ts'
import { type Entry, lexEntries } from './lexer.ts'
import { parseEntry } from './record.ts'
import { ZoneFileError } from './zone-file-error.ts'

/** A zone file that must not fill the memory. */
const MAX_RECORDS = 1_000_000
const MAX_INCLUDE_DEPTH = 8

type Source = {
  readonly text: string
  readonly path: string
  readonly origin: string
}

/** What holds from line to line. */
type State = { origin: string; ttl: number | undefined; owner: string | undefined }

/**
 * The records of a zone file (RFC 1035 section 5, RFC 2308 section 4: $TTL), with $INCLUDE and $GENERATE.
 * @param read gives the text of an included file; its path is relative to the file that includes it.
 * @throws {ZoneFileError} `path:line: what is wrong`.
 */
export function parseZoneFile(
  source: Source,
  read: (path: string) => string,
): readonly ResourceRecord[] {
  const records: ResourceRecord[] = []
  new ZoneFileReader(records, read).file(source, 0)
  return records
}

class ZoneFileReader {
  readonly #records: ResourceRecord[]
  readonly #read: (path: string) => string

  constructor(records: ResourceRecord[], read: (path: string) => string) {
    this.#records = records
    this.#read = read
  }

  file({ text, path, origin }: Source, depth: number, ttl?: number): void {
    const state: State = { origin, ttl, owner: undefined }
    let line = 1
    try {
      for (const entry of lexEntries(text)) {
        line = entry.line
        this.#entry(entry, state, { path, depth })
      }
    } catch (error) {
      if (!(error instanceof ZoneFileError)) throw error
      throw placed(error, path, line)
    }
  }

  #entry(entry: Entry, state: State, at: { readonly path: string; readonly depth: number }): void {
    const [first, ...words] = entry.words.map(({ text }) => text)
    switch (entry.isIndented ? '' : (first ?? '').toUpperCase()) {
      case '$ORIGIN':
        state.origin = absoluteName(words[0] ?? '', state.origin)
        return
      case '$TTL':
        state.ttl = parseTtl(words[0] ?? '')
        if (state.ttl === undefined) throw new ZoneFileError(`$TTL: '${words[0] ?? ''}' is no TTL`)
        return
      case '$INCLUDE':
        this.#include(words, state, at)
        return
      case '$GENERATE':
        for (const text of generated(words[0] ?? '', words.slice(1))) {
          for (const each of lexEntries(text)) this.#record(each, state)
        }
        return
      default:
        this.#record(entry, state)
    }
  }

  #include(
    [file, origin]: readonly string[],
    state: State,
    { path, depth }: { readonly path: string; readonly depth: number },
  ): void {
    if (file === undefined) throw new ZoneFileError('$INCLUDE names no file')
    if (depth >= MAX_INCLUDE_DEPTH) {
      throw new ZoneFileError(`$INCLUDE: nested deeper than ${MAX_INCLUDE_DEPTH}`)
    }
    const included = resolve(dirname(path), file)
    let text: string
    try {
      text = this.#read(included)
    } catch (error) {
      throw new ZoneFileError(`$INCLUDE: ${describeError(error)}`, { cause: error })
    }
    // RFC 1035 section 5.1: the origin of the including file does not change.
    const inner = origin === undefined ? state.origin : absoluteName(origin, state.origin)
    this.file({ text, path: included, origin: inner }, depth + 1, state.ttl)
  }

  #record(entry: Entry, state: State): void {
    const record = parseEntry(entry, { origin: state.origin, ttl: state.ttl, owner: state.owner })
    if (record.class !== 'IN') throw new ZoneFileError(`class ${record.class}; only IN is served`)
    if (this.#records.length >= MAX_RECORDS) {
      throw new ZoneFileError(`more than ${MAX_RECORDS} records`)
    }
    state.owner = record.name
    // RFC 1035 had no default: without $TTL a record has the TTL of the one before it.
    state.ttl ??= record.ttl
    this.#records.push(record)
  }
}

/** With the place that is known best: that of an included file stays. */
class PlacedError extends ZoneFileError {}

const placed = (error: ZoneFileError, path: string, line: number): ZoneFileError =>
  error instanceof PlacedError
    ? error
    : new PlacedError(`${path}:${line}: ${error.message}`, { cause: error })
