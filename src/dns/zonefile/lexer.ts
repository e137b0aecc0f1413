import { ZoneFileError } from './zone-file-error.ts'

/** A word of a zone file, escapes as written. */
export type Word = { readonly text: string; readonly quoted: boolean }

/** One entry: the words of a line, and of those that parentheses join to it. */
export type Entry = {
  readonly words: readonly Word[]
  /** The line begins with a blank: the owner is that of the entry before. */
  readonly isIndented: boolean
  /** 1-based. */
  readonly line: number
}

/** A line end, blanks, a comment, a parenthesis, a quoted word (maybe without its end), or a word. */
const LEXEME = /\n|[^\S\n]+|;[^\n]*|[()]|"(?:\\[\s\S]|[^"\\])*"?|(?:\\[\s\S]|[^\s;()"\\])+|\\/g

/**
 * Splits the text of a zone file into entries (RFC 1035 section 5.1); entries without a word are left out.
 * @throws {ZoneFileError} quotes or parentheses that do not end.
 */
export function* lexEntries(text: string): Generator<Entry> {
  let words: Word[] = []
  let isIndented = false
  let isLineStart = true
  let depth = 0
  let line = 1
  let start = 1
  for (const [part] of text.matchAll(LEXEME)) {
    if (words.length === 0 && depth === 0) start = line
    if (part === '\n') {
      line++
      if (depth > 0) continue
      if (words.length > 0) yield { words, isIndented, line: start }
      words = []
      isIndented = false
      isLineStart = true
      continue
    }
    if (part.trim() === '') {
      if (isLineStart) isIndented = true
    } else if (part === '(') depth++
    else if (part === ')') {
      if (--depth < 0) throw new ZoneFileError(`line ${line}: ')' without a '(' before it`)
    } else if (part.startsWith('"')) words.push(unquote(part, line))
    else if (!part.startsWith(';')) words.push({ text: part, quoted: false })
    isLineStart = false
    line += part.split('\n').length - 1
  }
  if (depth > 0) throw new ZoneFileError(`line ${start}: a '(' is never closed`)
  if (words.length > 0) yield { words, isIndented, line: start }
}

function unquote(part: string, line: number): Word {
  if (part.length < 2 || !part.endsWith('"')) {
    throw new ZoneFileError(`line ${line}: a quote that starts here does not end`)
  }
  return { text: part.slice(1, -1), quoted: true }
}
