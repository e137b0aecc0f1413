import { ConfigError } from '#runtime/error.ts'
import type { Position } from './directive.ts'

export type Token = { readonly text: string; readonly quoted: boolean }

/** The tokens of one line, without comments. A quoted token may hold line ends; the line goes on behind it. */
export type Line = { readonly tokens: readonly Token[]; readonly position: Position }

/**
 * Splits a Corefile into lines of tokens; lines without a token are left out. Tokens part at blanks; `"…"` may hold blanks and
 * line ends, its one escape is `\"`; an unquoted `#` starts a comment wherever it stands.
 * @throws {ConfigError} a quote that does not end.
 */
export function lexLines(text: string, file: string): readonly Line[] {
  const lines: Line[] = []
  let tokens: Token[] = []
  let line = 1
  let start = 1
  const endLine = (): void => {
    if (tokens.length > 0) lines.push({ tokens, position: { file, line: start } })
    tokens = []
  }
  for (const [part] of text.replace(/^\uFEFF/, '').matchAll(LEXEME)) {
    if (tokens.length === 0) start = line
    if (part === '\n') endLine()
    else if (part.startsWith('"')) tokens.push(unquote(part, { file, line }))
    else if (!part.startsWith('#')) tokens.push({ text: part, quoted: false })
    line += part.split('\n').length - 1
  }
  endLine()
  return lines
}

/** A line end, a quoted token (maybe without its end), a comment, or a word. Blanks between them match nothing. */
const LEXEME = /\n|"(?:\\"|[^"])*"?|#[^\n]*|[^\s#]+/g

function unquote(part: string, { file, line }: Position): Token {
  if (part.length < 2 || !/[^\\]"$|^""$/.test(part)) {
    throw new ConfigError([{ file, line, message: 'a quote that starts here does not end' }])
  }
  return { text: part.slice(1, -1).replaceAll('\\"', '"'), quoted: true }
}
