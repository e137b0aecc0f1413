import type { Chunk } from './yaml-documents.ts'

/** Pieces of a document that are looked at between two pauses. */
const STEPS_A_TURN = 50_000

const NEWLINE = 10
const QUOTE = 34
const COMMA = 44
const COLON = 58
const OPEN_LIST = 91
const BACKSLASH = 92
const CLOSE_LIST = 93
const OPEN_OBJECT = 123
const CLOSE_OBJECT = 125

/** A document, and where the value of its `items` begins, ends, and has its items (start and end alternate). */
type Extent = { readonly end: number; readonly items?: ItemsExtent | undefined }
type ItemsExtent = { readonly start: number; readonly end: number; readonly bounds: number[] }

/**
 * Cuts a file of JSON documents, one after the other, without parsing it; a list (`kubectl get -o json`) is cut into its
 * items. What is not well-formed is passed on for the parser to refuse. Yields undefined now and then, for the caller to
 * give way to other work.
 */
export function* jsonDocuments(bytes: Buffer): Generator<Chunk | undefined> {
  const lines = new LineNumbers(bytes)
  let start = skipSpace(bytes, 0)
  while (start < bytes.length) {
    const { end, items } = yield* extentOf(bytes, start)
    if (items === undefined)
      yield { text: bytes.toString('utf8', start, end), line: lines.of(start) }
    else {
      const before = bytes.toString('utf8', start, items.start + 1)
      const list = { text: before + bytes.toString('utf8', items.end - 1, end), isSequence: false }
      for (let index = 0; index < items.bounds.length; index += 2) {
        const from = items.bounds[index] as number
        const text = bytes.toString('utf8', from, items.bounds[index + 1])
        yield { text, line: lines.of(from), list }
      }
    }
    start = skipSpace(bytes, end)
  }
}

function* extentOf(bytes: Buffer, start: number): Generator<undefined, Extent> {
  if (bytes[start] !== OPEN_OBJECT) return { end: yield* valueEnd(bytes, start) }
  let items: ItemsExtent | undefined
  let at = skipSpace(bytes, start + 1)
  while (bytes[at] === QUOTE) {
    const keyEnd = stringEnd(bytes, at)
    const colon = skipSpace(bytes, keyEnd)
    if (bytes[colon] !== COLON) break
    const value = skipSpace(bytes, colon + 1)
    const isItems = bytes.toString('latin1', at, keyEnd) === '"items"'
    if (isItems && bytes[value] === OPEN_LIST) {
      items = yield* itemsExtent(bytes, value)
      at = items?.end ?? bytes.length
    } else at = yield* valueEnd(bytes, value)
    at = skipSpace(bytes, at)
    if (bytes[at] === CLOSE_OBJECT) return { end: at + 1, items }
    if (bytes[at] !== COMMA) break
    at = skipSpace(bytes, at + 1)
  }
  // `{}`, or something malformed: the parser sees all of it.
  return { end: bytes[at] === CLOSE_OBJECT && items === undefined ? at + 1 : bytes.length }
}

/** Undefined when the list is malformed. */
function* itemsExtent(bytes: Buffer, start: number): Generator<undefined, ItemsExtent | undefined> {
  const bounds: number[] = []
  let at = skipSpace(bytes, start + 1)
  while (at < bytes.length && bytes[at] !== CLOSE_LIST) {
    const end = yield* valueEnd(bytes, at)
    if (end <= at) return undefined
    bounds.push(at, end)
    at = skipSpace(bytes, end)
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1)
    else if (bytes[at] !== CLOSE_LIST) return undefined
    if (bounds.length % 1000 === 0) yield undefined
  }
  return at < bytes.length ? { start, end: at + 1, bounds } : undefined
}

/** The byte after the value that begins at `start`; the end of the file when the value has none. */
function* valueEnd(bytes: Buffer, start: number): Generator<undefined, number> {
  let depth = 0
  let steps = 0
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]
    if (++steps % STEPS_A_TURN === 0) yield undefined
    if (byte === QUOTE) at = stringEnd(bytes, at) - 1
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++
    else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--
    if (depth < 0) return bytes.length
    const isWord = byte !== QUOTE && byte !== CLOSE_OBJECT && byte !== CLOSE_LIST
    if (depth === 0 && !(isWord && continuesWord(bytes[at + 1]))) return at + 1
  }
  return bytes.length
}

/** Is this a byte of a number or of `true`, `false`, `null`? */
function continuesWord(byte: number | undefined): boolean {
  return byte !== undefined && /[-+.0-9A-Za-z]/.test(String.fromCharCode(byte))
}

/** The byte after the string that begins at `start`. */
function stringEnd(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(QUOTE, start + 1); at >= 0; at = bytes.indexOf(QUOTE, at + 1)) {
    let backslashes = 0
    while (bytes[at - 1 - backslashes] === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return at + 1
  }
  return bytes.length
}

function skipSpace(bytes: Buffer, start: number): number {
  let at = start
  while (bytes[at] === 32 || bytes[at] === NEWLINE || bytes[at] === 13 || bytes[at] === 9) at++
  return at
}

/** Line numbers of ascending positions, each byte looked at once. */
class LineNumbers {
  readonly #bytes: Buffer
  #line = 1
  #next: number

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#next = bytes.indexOf(NEWLINE)
  }

  /** 1-based. */
  of(position: number): number {
    while (this.#next >= 0 && this.#next < position) {
      this.#line++
      this.#next = this.#bytes.indexOf(NEWLINE, this.#next + 1)
    }
    return this.#line
  }
}
